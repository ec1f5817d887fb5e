//! What the grammar is written in: shapes, words, fields and maps of fields.
//!
//! Separate from the table itself, which names no mechanism. It knows no field.

/// What a field takes.
pub(super) enum Shape {
    /// A name of a topic, source, step or pipeline.
    Name,
    /// Any text.
    Text,
    /// SQL.
    Sql,
    /// A column's type.
    Type,
    /// `true` or `false`.
    Switch,
    /// A whole number from 1.
    Number,
    /// Such as `500ms`.
    Duration,
    /// Such as `1GiB`.
    Size,
    /// One of some words.
    Choice(&'static [Word]),
    /// Named fields.
    Object(&'static Object),
    /// Items of one shape.
    List(&'static Shape),
    /// Values of one shape under free names.
    Map(&'static Shape),
    /// One of several shapes.
    Any(&'static [Shape]),
    /// Known to the language, not to this version.
    Later,
}

/// One of the words that a choice takes.
pub(super) struct Word {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    /// Known to the language, not to this version.
    pub(super) later: bool,
}

/// A map with named fields.
pub(super) struct Object {
    /// What messages call it.
    pub(super) name: &'static str,
    pub(super) required: &'static [&'static str],
    pub(super) fields: &'static [Field],
}

/// A named field.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) shape: Shape,
}

pub(super) const fn field(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, doc, shape }
}

pub(super) const fn later(name: &'static str) -> Field {
    Field { name, doc: "", shape: Shape::Later }
}

pub(super) const fn word(name: &'static str, doc: &'static str) -> Word {
    Word { name, doc, later: false }
}

pub(super) const fn later_word(name: &'static str) -> Word {
    Word { name, doc: "", later: true }
}

impl Field {
    pub(super) fn is_later(&self) -> bool {
        matches!(self.shape, Shape::Later)
    }
}

impl Object {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// The names that this version reads.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.fields.iter().filter(|f| !f.is_later()).map(|f| f.name)
    }
}
