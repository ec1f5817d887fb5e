//! The one rule that resolves a written name to a column.
//!
//! SQL, `key:`, `by:`, `drop:` and every other place that names a column use it. An exact match wins;
//! otherwise case is ignored if exactly one column fits. It never picks among several.

use super::ExprError;
use super::error::SUGGESTION;
use super::inputs::is_meta;
use crate::diagnostics::nearest;
use arrow_schema::Schema;

/// How many columns a hint lists.
const MAX_LISTED_COLUMNS: usize = 20;

/// The result of looking a name up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameMatch {
    One(usize),
    None,
    Many(Vec<String>),
}

/// Finds a column as a pipeline file names it.
///
/// # Errors
/// If no column fits, or several do; `at` is the whole name.
pub fn resolve(name: &str, schema: &Schema) -> Result<usize, ExprError> {
    let columns: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let error = match find(name, false, &columns) {
        NameMatch::One(i) => return Ok(i),
        NameMatch::None => unknown(name, &columns),
        NameMatch::Many(fits) => ambiguous(name, &fits),
    };
    Err(error.at(Some(0..name.len())))
}

/// Finds a name; a quoted one must match exactly.
pub(super) fn find(name: &str, quoted: bool, columns: &[&str]) -> NameMatch {
    if let Some(i) = columns.iter().position(|c| *c == name) {
        return NameMatch::One(i);
    }
    if quoted {
        return NameMatch::None;
    }
    let lower = name.to_lowercase();
    let fits: Vec<usize> = (0..columns.len()).filter(|i| columns[*i].to_lowercase() == lower).collect();
    match fits[..] {
        [] => NameMatch::None,
        [i] => NameMatch::One(i),
        _ => NameMatch::Many(fits.into_iter().map(|i| columns[i].to_owned()).collect()),
    }
}

pub(super) fn unknown(name: &str, columns: &[&str]) -> ExprError {
    let mut error = ExprError::new(format!("unknown column `{name}`"));
    error.unknown_column = Some(name.to_owned());
    if let Some(near) = nearest(name, columns.iter().copied()) {
        return error.hint(format!("{SUGGESTION} `{}`?", quote(near)));
    }
    let shown: Vec<&str> = columns.iter().copied().filter(|c| !is_meta(c)).collect();
    let more = if shown.len() > MAX_LISTED_COLUMNS {
        format!(" and {} more", shown.len() - MAX_LISTED_COLUMNS)
    } else {
        String::new()
    };
    let shown: Vec<_> = shown.iter().take(MAX_LISTED_COLUMNS).map(|c| quote(c)).collect();
    error.hint(match shown.is_empty() {
        true => "no columns are in scope here".into(),
        false => format!("columns in scope: {}{more}", shown.join(", ")),
    })
}

pub(super) fn ambiguous(name: &str, fits: &[String]) -> ExprError {
    let fits: Vec<_> = fits.iter().map(|c| format!("`{c}`")).collect();
    ExprError::new(format!("ambiguous column `{name}`: {} differ only in case", fits.join(" and ")))
        .hint("write the name exactly as the column has it")
}

/// The name as it is written in SQL, quoted where necessary.
fn quote(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field};

    fn schema(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|n| Field::new(*n, DataType::Int64, true)).collect::<Vec<_>>())
    }

    #[test]
    fn an_exact_match_wins_and_case_is_ignored_otherwise() {
        let s = schema(&["pH", "Alcohol", "alcohol"]);
        assert_eq!(resolve("PH", &s), Ok(0));
        assert_eq!(resolve("alcohol", &s), Ok(2));
        let e = resolve("ALCOHOL", &s).unwrap_err();
        assert_eq!(e.message, "ambiguous column `ALCOHOL`: `Alcohol` and `alcohol` differ only in case");
        assert_eq!(e.at, Some(0..7));
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest_or_lists_all_columns() {
        let s = schema(&["alcohol", "fixed acidity"]);
        assert_eq!(resolve("alcool", &s).unwrap_err().hint.as_deref(), Some("did you mean `alcohol`?"));
        let e = resolve("zzz", &s).unwrap_err();
        assert_eq!(e.message, "unknown column `zzz`");
        assert_eq!(e.hint.as_deref(), Some("columns in scope: alcohol, \"fixed acidity\""));
        let none = resolve("zzz", &schema(&[])).unwrap_err();
        assert_eq!(none.hint.as_deref(), Some("no columns are in scope here"));
    }
}
