//! What a run needs from outside, and how it is to run.

use crate::log::Log;
use crate::plan::Physical;
use crate::record::{Offset, TopicPartition};
use crate::runtime::commit::run_gauge::RunGauge;
use crate::runtime::operators::SampleHandler;
use crate::runtime::operators::build::Factory;
use crate::runtime::recovery::changelogs::RestoreGauge;
use crate::runtime::recovery::lost_input::LostInput;
use crate::time::Clock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a run starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// Where the last run stopped, or else at the oldest record.
    #[default]
    Committed,
    /// At the oldest record, with positions and state deleted.
    Earliest,
    /// After the newest record, with positions and state deleted.
    Latest,
    /// Where the record of progress stands, with the state kept, whatever positions the group has.
    Recorded,
    /// At the first record of this time (epoch milliseconds) or later, with positions and state deleted.
    Time(i64),
    /// At these offsets, with positions and state deleted. Other partitions start at the oldest record.
    Positions(BTreeMap<TopicPartition, Offset>),
}

impl StartFrom {
    /// Whether a run deletes what earlier ones have committed.
    pub(in crate::runtime) fn discards(&self) -> bool {
        match self {
            Self::Committed | Self::Recorded => false,
            Self::Earliest | Self::Latest | Self::Time(_) | Self::Positions(_) => true,
        }
    }
}

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Stop when everything that was there at the start is processed and committed.
    pub until_end: bool,
    /// With `until_end`: close every window too.
    pub drain: bool,
    /// Where to start.
    pub from: StartFrom,
    /// Where it starts over: remove the records of its outputs and its dead letters too.
    pub replace_outputs: bool,
    /// Steps that begin without the state that they cannot read.
    pub reset: Vec<String>,
    /// What to do where retention has removed records of a source before they were read.
    pub lost_input: LostInput,
    /// The name of this instance: no two instances of a group may have the same.
    pub instance: String,
    /// Where state is saved at the end of a run, so that the next one need not restore all of it from its
    /// changelogs. For backplanes that are far away.
    pub state_folder: Option<PathBuf>,
    /// Shows how far the restoring of state has come.
    pub restoring: RestoreGauge,
    /// Counts what is committed.
    pub work: RunGauge,
}

/// What a run needs from outside.
#[derive(Clone)]
pub struct Engine {
    /// The pipeline.
    pub plan: Arc<Physical>,
    /// The backplane.
    pub log: Arc<dyn Log>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where samples of `log` steps go.
    pub samples: SampleHandler,
    /// Operators of the embedding program, by kind.
    pub custom: BTreeMap<&'static str, Factory>,
}
