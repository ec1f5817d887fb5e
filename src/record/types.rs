//! The type names of pipeline files: parsed to Arrow types, and printed from them.
//!
//! The only place that knows the spelling, so that schemas, messages and `infer` agree. It never converts
//! values.

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use std::borrow::Cow;
use std::sync::Arc;

/// Why a text is not a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// What is wrong, with the user's words in backticks.
    pub message: String,
    /// The byte of the text where it is wrong.
    pub at: usize,
    /// What to write instead.
    pub hint: Option<String>,
}

const SIMPLE: [&str; 9] = ["boolean", "int", "bigint", "float", "double", "string", "bytes", "date", "timestamp"];
const NESTED: [&str; 4] = ["decimal", "list", "struct", "map"];
/// How many types may contain one another.
pub const MAX_TYPE_DEPTH: usize = 32;
/// The longest text of a type in a pipeline file.
pub const MAX_TYPE_BYTES: usize = 65_536;

/// Parses a type as pipeline files write it, such as `list<struct<a: bigint>>`.
///
/// # Errors
/// Where the text is wrong and what was expected.
pub fn parse_type(text: &str) -> Result<DataType, TypeError> {
    let mut p = Parser { text, at: 0 };
    let t = p.data_type(0)?;
    p.skip_space();
    if p.at < text.len() {
        return Err(p.error(format!("unexpected `{}` after the type", &text[p.at..])));
    }
    Ok(t)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn error(&self, message: String) -> TypeError {
        TypeError { message, at: self.at, hint: None }
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
    }

    /// A name or a number; a name may be in double quotes, in which `""` is a quote.
    fn name(&mut self) -> String {
        self.skip_space();
        let rest = &self.text[self.at..];
        if let Some(mut quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            loop {
                let end = quoted.find('"').unwrap_or(quoted.len());
                name.push_str(&quoted[..end]);
                quoted = quoted.get(end + 1..).unwrap_or_default();
                let Some(more) = quoted.strip_prefix('"') else { break };
                name.push('"');
                quoted = more;
            }
            self.at = self.text.len() - quoted.len();
            return name;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn expect(&mut self, c: char) -> Result<(), TypeError> {
        self.skip_space();
        if self.text[self.at..].starts_with(c) {
            self.at += c.len_utf8();
            return Ok(());
        }
        const MAX_SHOWN_CHARS: usize = 200;
        let shown = self.text.chars().take(MAX_SHOWN_CHARS).collect::<String>();
        let more = if shown.len() < self.text.len() { "…" } else { "" };
        Err(self.error(format!("expected `{c}` in the type `{shown}{more}`")))
    }

    /// Skips a character where it is the next one.
    fn accept(&mut self, c: char) -> bool {
        self.skip_space();
        let found = self.text[self.at..].starts_with(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, TypeError> {
        self.skip_space();
        let at = self.at;
        let digits = self.name();
        digits.parse().map_err(|_| TypeError {
            message: format!("expected a number, found `{digits}`"),
            at,
            hint: None,
        })
    }

    fn data_type(&mut self, depth: usize) -> Result<DataType, TypeError> {
        self.skip_space();
        let start = self.at;
        if depth > MAX_TYPE_DEPTH {
            return Err(self.error(format!("types nest at most {MAX_TYPE_DEPTH} deep")));
        }
        let name = self.name();
        Ok(match name.to_ascii_lowercase().as_str() {
            "boolean" => DataType::Boolean,
            "int" => DataType::Int32,
            "bigint" => DataType::Int64,
            "float" => DataType::Float32,
            "double" => DataType::Float64,
            "string" => DataType::Utf8,
            "bytes" => DataType::Binary,
            "date" => DataType::Date32,
            "timestamp" => timestamp(),
            "decimal" => self.decimal()?,
            "list" => {
                self.expect('<')?;
                let item = self.data_type(depth + 1)?;
                self.expect('>')?;
                DataType::List(Arc::new(Field::new("item", item, true)))
            }
            "struct" => DataType::Struct(self.struct_fields(depth + 1)?),
            "map" => self.map(depth + 1)?,
            _ => {
                let names = SIMPLE.into_iter().chain(NESTED);
                let hint = crate::diagnostics::one_of(&name, names);
                return Err(TypeError { message: format!("unknown type `{name}`"), at: start, hint });
            }
        })
    }

    fn decimal(&mut self) -> Result<DataType, TypeError> {
        self.expect('(')?;
        let at = self.at;
        let precision: u8 = self.number()?;
        let scale: i8 = if self.accept(',') { self.number()? } else { 0 };
        self.expect(')')?;
        if precision == 0 || precision > 38 || scale < 0 || scale.unsigned_abs() > precision {
            let message = format!("decimal({precision},{scale}) is out of range");
            let hint = Some("a decimal has 1 to 38 digits, at most all of them behind the point".into());
            return Err(TypeError { message, at, hint });
        }
        Ok(DataType::Decimal128(precision, scale))
    }

    fn struct_fields(&mut self, depth: usize) -> Result<Fields, TypeError> {
        self.expect('<')?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            self.skip_space();
            let at = self.at;
            let name = self.name();
            if name.is_empty() {
                return Err(TypeError { message: "expected a field name".into(), at, hint: None });
            }
            if fields.iter().any(|f| *f.name() == name) {
                return Err(TypeError { message: format!("field `{name}` stands twice"), at, hint: None });
            }
            self.expect(':')?;
            fields.push(Field::new(name, self.data_type(depth)?, true));
            if !self.accept(',') {
                break;
            }
        }
        self.expect('>')?;
        Ok(Fields::from(fields))
    }

    fn map(&mut self, depth: usize) -> Result<DataType, TypeError> {
        self.expect('<')?;
        let at = self.at;
        if self.data_type(depth)? != DataType::Utf8 {
            return Err(TypeError {
                message: "the keys of a map are strings".into(),
                at,
                hint: Some("write `map<string, T>`".into()),
            });
        }
        self.expect(',')?;
        let value = self.data_type(depth)?;
        self.expect('>')?;
        let entry = Fields::from(vec![Field::new("keys", DataType::Utf8, false), Field::new("values", value, true)]);
        Ok(DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false))
    }
}

/// The type of every timestamp in a pipeline: milliseconds, UTC.
#[must_use]
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// A type as a pipeline file writes it. Types that a file cannot name are written as Arrow does.
#[must_use]
pub fn type_name(t: &DataType) -> String {
    match t {
        DataType::Boolean => "boolean".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytes".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::Decimal128(p, s) => format!("decimal({p},{s})"),
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => {
            format!("list<{}>", type_name(f.data_type()))
        }
        DataType::Struct(fields) => {
            let named = |f: &Arc<Field>| format!("{}: {}", quoted_name(f.name()), type_name(f.data_type()));
            let fields: Vec<_> = fields.iter().map(named).collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(kv) if kv.len() == 2 => format!("map<string, {}>", type_name(kv[1].data_type())),
            _ => t.to_string(),
        },
        _ => t.to_string(),
    }
}

/// The name of a field, in quotes where a type would not read it otherwise.
fn quoted_name(name: &str) -> Cow<'_, str> {
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty() {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_round_trips() {
        for text in SIMPLE.into_iter().chain([
            "decimal(10,2)",
            "list<struct<a: bigint, b: list<string>>>",
            "map<string, double>",
            "struct<\"first-name\": string, \"a \"\"b\"\", c>\": list<int>, ä1: date>",
            "struct<\"\"\"\": int, \"a\"\"\": int>",
        ]) {
            assert_eq!(type_name(&parse_type(text).expect(text)), text);
        }
    }

    #[test]
    fn an_error_has_a_position_and_a_hint() {
        let e = parse_type("list<bigit>").expect_err("the item type is unknown");
        assert_eq!(
            (e.message.as_str(), e.at, e.hint.as_deref()),
            ("unknown type `bigit`", 5, Some("did you mean `bigint`?"))
        );
        assert_eq!(parse_type("decimal(99,1)").expect_err("99 digits are too many").at, 8);
    }
}
