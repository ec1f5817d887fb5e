//! Which column each value of a line belongs to: by position, or by the names that come with the record.
//!
//! Names must cover the schema. Columns that the schema does not name are skipped, like unknown fields of JSON.

use crate::formats::error::RecordError;
use arrow_schema::Schema;

/// The columns of the values of a line.
#[derive(Debug)]
pub(super) struct ColumnBinding {
    /// The names as the record has them; `None`: by position.
    names: Option<Vec<u8>>,
    /// The column of each value, or why the names do not fit.
    columns: Result<Vec<Option<usize>>, String>,
}

impl ColumnBinding {
    pub(super) fn by_position(columns: usize) -> Self {
        Self { names: None, columns: Ok((0..columns).map(Some).collect()) }
    }

    /// Binds by a JSON list of names.
    pub(super) fn by_name(schema: &Schema, names: &[u8]) -> Self {
        let columns = serde_json::from_slice::<Vec<String>>(names)
            .map_err(|e| format!("the column names of the record are no JSON list of strings: {e}"))
            .and_then(|names| columns_by_name(schema, &names));
        Self { names: Some(names.to_vec()), columns }
    }

    /// Whether it binds these names.
    pub(super) fn is_of(&self, names: Option<&[u8]>) -> bool {
        self.names.as_deref() == names
    }

    /// The column of each value; `None` for a value that is skipped.
    pub(super) fn columns(&self) -> Result<&[Option<usize>], RecordError> {
        self.columns.as_deref().map_err(|error| RecordError::new(error.clone()))
    }
}

fn columns_by_name(schema: &Schema, names: &[String]) -> Result<Vec<Option<usize>>, String> {
    let mut columns = vec![None; names.len()];
    for (column, field) in schema.fields().iter().enumerate() {
        let mut found = (0..names.len()).filter(|i| names[*i] == *field.name());
        match (found.next(), found.next()) {
            (Some(only), None) => columns[only] = Some(column),
            (Some(_), Some(_)) => return Err(format!("the record has two columns `{}`", field.name())),
            (None, _) => return Err(format!("the record has no column `{}`, only {}", field.name(), shown(names))),
        }
    }
    Ok(columns)
}

fn shown(names: &[String]) -> String {
    const MAX_SHOWN: usize = 20;
    let all: Vec<_> = names.iter().take(MAX_SHOWN).map(|n| format!("`{n}`")).collect();
    let more = if names.len() > MAX_SHOWN { ", …" } else { "" };
    all.join(", ") + more
}
