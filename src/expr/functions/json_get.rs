//! `json_get(text, path)`: one value out of a JSON text, such as `json_get(body, 'user.tags[0]')`.
//!
//! A string is returned without its quotes, any other value as JSON text; a number keeps its digits. The result
//! is null where the value is missing or null, or where the text is not JSON. The function never fails on a record.

use super::json_text::{PathStep, compact, find, string};
use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, exec_err};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

pub(super) fn udf() -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable);
    ScalarUDF::new_from_impl(JsonGet { signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonGet {
    signature: Signature,
}

impl ScalarUDFImpl for JsonGet {
    fn name(&self) -> &str {
        "json_get"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // Reports a wrong path in the pipeline file before the first record.
        if let Some(Some(path)) = args.scalar_arguments.get(1) {
            path.try_as_str().flatten().map(parse_path).transpose()?;
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text, path] = args.args.as_slice() else {
            return exec_err!("`json_get` takes a text and a path");
        };
        let texts = text.to_array(args.number_rows)?;
        let texts: &StringArray = texts.as_string();
        let mut out = StringBuilder::new();
        match path {
            // The path is nearly always a literal, so it is parsed once.
            ColumnarValue::Scalar(path) => {
                let path = path.try_as_str().flatten().map(parse_path).transpose()?;
                for text in texts {
                    out.append_option(text.zip(path.as_ref()).and_then(|(t, p)| get(t, p)));
                }
            }
            ColumnarValue::Array(paths) => {
                for (text, path) in texts.iter().zip(paths.as_string::<i32>()) {
                    let path = path.map(parse_path).transpose()?;
                    out.append_option(text.zip(path.as_ref()).and_then(|(t, p)| get(t, p)));
                }
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// Parses `a.b[0]`, `$.a` or `$['a b']`.
fn parse_path(path: &str) -> Result<Vec<PathStep<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        let Some(inner) = rest.strip_prefix('[') else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return exec_err!("`{path}` is not a path: a name is missing");
            }
            steps.push(PathStep::Name(&rest[..end]));
            rest = &rest[end..];
            continue;
        };
        let quote = inner.chars().next().filter(|c| ['\'', '"'].contains(c));
        let found = match quote {
            Some(q) => {
                inner[1..].split_once(&format!("{q}]")[..]).map(|(name, rest)| (Some(PathStep::Name(name)), rest))
            }
            None => inner.split_once(']').map(|(index, rest)| (index.parse().ok().map(PathStep::Index), rest)),
        };
        let Some((Some(step), after)) = found else {
            return exec_err!("`{path}` is not a path: write `a.b[0]`");
        };
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

fn get(text: &str, path: &[PathStep<'_>]) -> Option<String> {
    match find(text, path)? {
        "null" => None,
        value if value.starts_with('"') => string(value),
        value => Some(compact(value)),
    }
}
