//! The one rule by which a written name finds a column.
//!
//! Separate because SQL, `key:`, `by:`, `drop:` and every other place that names a column must agree.
//! An exact match wins; else case does not matter where only one column fits. It never picks among several.

use super::ExprError;
use super::error::LIKE;
use crate::diagnostics::nearest;
use arrow_schema::Schema;

/// How many columns a hint lists at most.
const LISTED: usize = 20;

/// What a written name finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    One(usize),
    None,
    Many(Vec<String>),
}

/// Finds a column as a pipeline file names it.
///
/// # Errors
/// Where no column fits, or several do; `at` is the whole name.
pub fn resolve(name: &str, schema: &Schema) -> Result<usize, ExprError> {
    let columns: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let error = match find(name, false, &columns) {
        Found::One(i) => return Ok(i),
        Found::None => unknown(name, &columns),
        Found::Many(fits) => ambiguous(name, &fits),
    };
    Err(error.at(Some(0..name.len())))
}

/// Finds a name; a quoted one must match exactly.
pub(super) fn find(name: &str, quoted: bool, columns: &[&str]) -> Found {
    if let Some(i) = columns.iter().position(|c| *c == name) {
        return Found::One(i);
    }
    if quoted {
        return Found::None;
    }
    let lower = name.to_lowercase();
    let fits: Vec<usize> = (0..columns.len()).filter(|i| columns[*i].to_lowercase() == lower).collect();
    match fits[..] {
        [] => Found::None,
        [i] => Found::One(i),
        _ => Found::Many(fits.into_iter().map(|i| columns[i].to_owned()).collect()),
    }
}

pub(super) fn unknown(name: &str, columns: &[&str]) -> ExprError {
    let mut error = ExprError::new(format!("unknown column `{name}`"));
    error.unknown = Some(name.to_owned());
    if let Some(near) = nearest(name, columns.iter().copied()) {
        return error.hint(format!("{LIKE} `{}`?", quote(near)));
    }
    let shown: Vec<&str> = columns.iter().copied().filter(|c| !super::scope::is_meta(c)).collect();
    let more = if shown.len() > LISTED { format!(" and {} more", shown.len() - LISTED) } else { String::new() };
    let shown: Vec<_> = shown.iter().take(LISTED).map(|c| quote(c)).collect();
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

/// The name as SQL has to write it.
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
    fn exact_wins_then_case_is_free_where_one_fits() {
        let s = schema(&["pH", "Alcohol", "alcohol"]);
        assert_eq!(resolve("PH", &s), Ok(0));
        assert_eq!(resolve("alcohol", &s), Ok(2));
        let e = resolve("ALCOHOL", &s).unwrap_err();
        assert_eq!(e.message, "ambiguous column `ALCOHOL`: `Alcohol` and `alcohol` differ only in case");
        assert_eq!(e.at, Some(0..7));
    }

    #[test]
    fn an_unknown_name_says_what_is_near_or_what_there_is() {
        let s = schema(&["alcohol", "fixed acidity"]);
        assert_eq!(resolve("alcool", &s).unwrap_err().hint.as_deref(), Some("did you mean `alcohol`?"));
        let e = resolve("zzz", &s).unwrap_err();
        assert_eq!(e.message, "unknown column `zzz`");
        assert_eq!(e.hint.as_deref(), Some("columns in scope: alcohol, \"fixed acidity\""));
        let none = resolve("zzz", &schema(&[])).unwrap_err();
        assert_eq!(none.hint.as_deref(), Some("no columns are in scope here"));
    }
}
