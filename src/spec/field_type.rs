//! The types that the grammar is written in: fields, what each takes, and maps of fields.

/// A list of names, or one.
pub(super) const NAMES: FieldType = FieldType::AnyOf(&[FieldType::Text, FieldType::List(&FieldType::Text)]);
/// `NAME: SQL`.
pub(super) const ASSIGNMENTS: FieldType = FieldType::Map(&FieldType::Sql);

/// What a field takes.
#[derive(Clone, Copy)]
pub(super) enum FieldType {
    /// The name of a topic, source, step or pipeline.
    Name,
    /// Any text.
    Text,
    Sql,
    /// The type of a column.
    Type,
    Boolean,
    /// A whole number from 1.
    Number,
    /// Such as `500ms`.
    Duration,
    /// Such as `1GiB`.
    Size,
    Choice(&'static [EnumValue]),
    Object(&'static ObjectType),
    List(&'static FieldType),
    /// Values of one type under any names.
    Map(&'static FieldType),
    AnyOf(&'static [FieldType]),
    /// Part of the language, but not supported by this version.
    Reserved,
}

/// A value of a choice.
pub(super) struct EnumValue {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    /// Part of the language, but not supported by this version.
    pub(super) reserved: bool,
}

/// A map with named fields.
pub(super) struct ObjectType {
    /// What messages call it.
    pub(super) name: &'static str,
    pub(super) required: &'static [&'static str],
    pub(super) fields: &'static [FieldDef],
}

/// A named field.
#[derive(Clone, Copy)]
pub(super) struct FieldDef {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) field_type: FieldType,
}

pub(super) const fn field(name: &'static str, field_type: FieldType, doc: &'static str) -> FieldDef {
    FieldDef { name, doc, field_type }
}

pub(super) const fn reserved(name: &'static str) -> FieldDef {
    FieldDef { name, doc: "", field_type: FieldType::Reserved }
}

pub(super) const fn value(name: &'static str, doc: &'static str) -> EnumValue {
    EnumValue { name, doc, reserved: false }
}

pub(super) const fn reserved_value(name: &'static str) -> EnumValue {
    EnumValue { name, doc: "", reserved: true }
}

impl FieldDef {
    pub(super) fn is_reserved(&self) -> bool {
        matches!(self.field_type, FieldType::Reserved)
    }
}

impl ObjectType {
    pub(super) fn field(&self, name: &str) -> Option<&'static FieldDef> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// The names of the fields that this version supports.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.fields.iter().filter(|f| !f.is_reserved()).map(|f| f.name)
    }
}
