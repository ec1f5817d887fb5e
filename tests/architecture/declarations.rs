//! Which types and functions the sources declare, read line by line and without a parser of Rust.

use super::{File, sources};
use std::collections::BTreeMap;

/// Names of the standard library's prelude and of arrow: every reader expects those types behind them.
const TAKEN: [&str; 17] = [
    "From",
    "Into",
    "Copy",
    "Clone",
    "Drop",
    "Default",
    "Option",
    "Result",
    "Iterator",
    "Vec",
    "String",
    "Box",
    "Rows",
    "RecordBatch",
    "Array",
    "Schema",
    "Field",
];

/// The keywords that declare a type.
const DECLARING: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

/// The types that the crate declares at item level apart from tests, with the places of each.
pub(super) fn types() -> BTreeMap<String, Vec<String>> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources("src").iter().filter(|f| !f.is_test()) {
        for (line, name) in types_of(file) {
            places.entry(name).or_default().push(format!("{}:{line}", file.path));
        }
    }
    places
}

/// What is wrong with the names of these types.
pub(super) fn ambiguous(types: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, places) in types {
        if places.len() > 1 {
            faults.push(format!("`{name}` is declared in {}", places.join(" and ")));
        } else if TAKEN.contains(&name.as_str()) {
            faults.push(format!("{}: `{name}` is a name of the standard library or of arrow", places[0]));
        }
    }
    faults
}

/// The types that a file declares at item level, with their lines. Associated types are indented.
fn types_of(file: &File) -> Vec<(usize, String)> {
    let declared = |(line, text): (usize, &str)| {
        let mut words = unqualified(text).split_whitespace();
        let keyword = words.find(|w| *w != "unsafe")?;
        let name = DECLARING.contains(&keyword).then(|| words.next()).flatten()?;
        Some((line, identifier(name)))
    };
    file.code().filter_map(declared).collect()
}

/// An item without its visibility.
fn unqualified(text: &str) -> &str {
    match text.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or(rest, |(_, item)| item),
        Some(rest) => rest,
        // An indented line is not at item level.
        None if text.starts_with(char::is_whitespace) => "",
        None => text,
    }
}

/// The functions of a file that take more than `most` parameters beside `self`: line, name and number.
pub(super) fn wide_functions(file: &File, most: usize) -> Vec<(usize, String, usize)> {
    let lines = file.text.lines().map(|l| l.split("//").next().unwrap_or(l));
    let code: String = lines.map(|l| format!("{l}\n")).collect();
    let mut wide = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name = identifier(&code[at + 3..]);
        if name.is_empty() || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some(parameters) = parameters(&code[at + 3 + name.len()..]) else { continue };
        let count = parameters.iter().filter(|p| !is_self(p)).count();
        if count > most {
            wide.push((code[..at].matches('\n').count() + 1, name, count));
        }
    }
    wide
}

/// The parameters at the start of a text such as `<T: Fn(A, B) -> C>(a: T, (b, c): (B, C)) -> D`.
fn parameters(text: &str) -> Option<Vec<String>> {
    let (mut depth, mut before, mut open) = (0_i32, ' ', false);
    let mut all = vec![String::new()];
    for c in text.chars() {
        let arrow = before == '-' && c == '>';
        before = c;
        match c {
            '(' if depth == 0 => (open, depth) = (true, 1),
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if !arrow => depth -= 1,
            ',' if depth == 1 && open => {
                all.push(String::new());
                continue;
            }
            _ if depth == 0 && !open => return None,
            _ => {}
        }
        if open && depth == 0 {
            return Some(all.into_iter().filter(|p| !p.trim_matches(['(', ' ', '\n']).is_empty()).collect());
        }
        if open {
            all.last_mut()?.push(c);
        }
    }
    None
}

fn is_self(parameter: &str) -> bool {
    let words = parameter.trim_start_matches('(').split([' ', '&', ':', '\n']);
    words.filter(|w| !w.is_empty() && *w != "mut" && !w.starts_with('\'')).take(1).eq(["self"])
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn file(text: &str) -> File {
    File { path: "src/a.rs".to_owned(), text: text.to_owned() }
}

#[test]
fn only_types_at_item_level_are_found() {
    let text = "//! struct Header;\npub struct A<T>(T);\npub(in crate::x) enum B {\n    type Inner = u8;\n}\n\
                trait C: Send {\n    type Item;\n}\npub unsafe trait D {}\ntype E<'a> = &'a str;\n\
                fn structure() {}\nlet x = 1;\n#[cfg(test)]\nstruct T;\n";
    let found = types_of(&file(text));
    let expected = [(2, "A"), (3, "B"), (6, "C"), (9, "D"), (10, "E")].map(|(line, name)| (line, name.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn a_name_used_twice_and_a_taken_one_are_found() {
    let types = [("A", vec!["a:1", "b:2"]), ("B", vec!["a:2"]), ("Rows", vec!["c:3"])];
    let types = types.map(|(name, places)| (name.to_owned(), places.into_iter().map(str::to_owned).collect()));
    let faults = ambiguous(&BTreeMap::from(types));
    assert_eq!(faults, ["`A` is declared in a:1 and b:2", "c:3: `Rows` is a name of the standard library or of arrow"]);
}

#[test]
fn parameters_beside_self_are_counted() {
    let text = "fn none() {}\nfn two<F: Fn(A, B) -> C>(f: F, (x, y): (u8, u8)) -> D {}\n\
                // fn comment(a: A, b: B, c: C)\nfn method(\n    &'a mut self,\n    a: fn(u8, u8, u8) -> u8,\n    \
                b: HashMap<A, B>,\n    c: [u8; 3],\n) -> X {}\nfn by_value(mut self, a: A, b: B) {}\n\
                type F = fn(A, B, C, D);\n";
    let counts = |most| -> Vec<(usize, String, usize)> { wide_functions(&file(text), most) };
    assert_eq!(counts(3), []);
    assert_eq!(counts(2), [(4, "method".to_owned(), 3)]);
    assert_eq!(counts(1), [(2, "two".to_owned(), 2), (4, "method".to_owned(), 3), (10, "by_value".to_owned(), 2)]);
}
