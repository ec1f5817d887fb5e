//! How records are written: in transactions, or with a weaker guarantee. It decides the settings of a producer.

/// How records become visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WriteMode {
    /// All at once, in transactions with this id.
    Transactions(String),
    /// As they arrive; a record is sent until it is acknowledged.
    AtLeastOnce,
    /// As they arrive; no record is sent twice.
    AtMostOnce,
}

impl WriteMode {
    pub(super) fn is_transactional(&self) -> bool {
        matches!(self, Self::Transactions(_))
    }

    /// The transactional id, for messages.
    pub(super) fn id_label(&self) -> String {
        match self {
            Self::Transactions(id) => format!(" (transactional id `{id}`)"),
            Self::AtLeastOnce | Self::AtMostOnce => String::new(),
        }
    }
}
