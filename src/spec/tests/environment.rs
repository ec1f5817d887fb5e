//! `${…}`: values, errors, and that no message shows a value.
#![allow(clippy::unwrap_used)]

use super::super::env::Expander;
use super::{Fake, good, parse_with};
use std::path::Path;

fn expand(text: &str) -> Result<Option<String>, String> {
    let environment =
        Fake { vars: [("A", "1"), ("EMPTY", "")].into(), files: [("/base/pw", "two\r\n"), ("/abs", "x\n\n")].into() };
    Expander::new(Path::new("/base"), &environment)
        .expand(text)
        .map(|e| e.map(|e| e.text))
        .map_err(|r| format!("{:?} {}", r.within, r.message))
}

#[test]
fn each_form_has_its_value() {
    let value = |text| expand(text).unwrap().unwrap();
    assert_eq!(expand("plain $A {b}").unwrap(), None);
    assert_eq!(value("<${A}${A}>"), "<11>");
    assert_eq!(value("${B:-x}${A:-x}"), "x1");
    assert_eq!(value("${EMPTY}|${EMPTY:-x}"), "|x");
    assert_eq!(value("${B:-a ${A} b}"), "a 1 b");
    assert_eq!(value("${B:-}"), "");
    assert_eq!(value("${A:?needed}"), "1");
    assert_eq!(value("${file:pw}"), "two");
    assert_eq!(value("${file:/abs}"), "x\n");
    assert_eq!(value("$${A} and ${A}"), "${A} and 1");
}

#[test]
fn each_error_has_its_range_and_reason() {
    let refused = |text| expand(text).unwrap_err();
    assert_eq!(refused("a ${B} c"), "2..6 the variable `B` is not set");
    assert_eq!(refused("${B:?say who}"), "0..13 the variable `B` is not set: say who");
    assert_eq!(refused("${EMPTY:?say who}"), "0..17 the variable `EMPTY` is not set: say who");
    assert_eq!(refused("x${A"), "1..3 `${` without `}`");
    assert_eq!(refused("${}"), "0..3 `` is not the name of a variable");
    assert_eq!(refused("${9a}"), "0..5 `9a` is not the name of a variable");
    assert_eq!(refused("${file:none}"), "0..12 cannot read the file `/base/none`: no such file");
}

#[test]
fn no_message_shows_a_substituted_value() {
    let environment = Fake { vars: [("S", "hunter2 hunter2"), ("T", "hunter2")].into(), ..Fake::default() };
    let file = "name: ${S}\nsource: {topic: '${S}', format: '${T}', schema: {a: '${S}'}, watermark: {delay: '${T}'}}\n\
        steps:\n  - {name: x, from: '${T}', filter: a}\n  - {name: '${T}', filter: a}\n  - {name: '${T}', log: '${S}'}\n\
        sink: {topic: o, from: '${T}.${S}', key: [a, '${S}', '${S}'], '${S}': 1, '${S}': 2, partitions: '${T}'}\n\
        errors: ${T}\ncommit_every: ${S}\nstate: {memory_limit: '${S}'}\nfunctions: {'${S}': 1}\n\
        kafka: {brokers: '${S}', security: {sasl: {mechanism: '${S}', password: hunter2, username: hunter2}}}\n";
    let report = parse_with(file, &environment).unwrap_err();
    assert!(report.diagnostics().len() > 12, "{report}");
    assert!(!format!("{report} {report:?}").contains("hunter2"), "{report}");
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
}

#[test]
fn substituted_sql_is_not_exact() {
    let file = "name: p\nsource: {topic: r, format: text}\nsteps:\n  - filter: a > ${X:-1}\nsink: out\n";
    let spec = good(file);
    let super::OperatorSpec::Filter(sql) = &spec.steps[0].operator else { panic!() };
    assert_eq!((sql.text.as_str(), sql.exact, &*sql.substitutions), ("a > 1", false, [].as_slice()));
}

/// Also where its field is misspelt, in the wrong place, or twice.
#[test]
fn no_excerpt_shows_a_password_in_the_file() {
    let head = "name: p\nsource: {topic: r, format: text}\nsink: out\n";
    for kafka in [
        "kafka: {brokers: b, security: {sasl: {mechanism: NONE, username: hunter2, password: 'hunter2'}}}\n",
        "kafka: {brokers: b, security: {sasl: {mechanism: PLAIN, password: hunter2\n",
        "kafka: {brokers: b, securty: {sasl: {mechanism: PLAIN, username: hunter2, password: hunter2}}}\n",
        "kafka: {brokers: b, securty: {sasl: {mechanism: PLAIN, user: hunter2, pw: hunter2}}}\n",
        "kafka: {brokers: b, security: {sassl: {username: hunter2, password: hunter2}}}\n",
        "kafka: {brokers: b, security: {sasl: hunter2}}\n",
        "kafka: {brokers: b, security: hunter2}\n",
        "kafka: {brokers: b, security: {sasl: {pasword: hunter2}}}\n",
        "kafka: {brokers: b, sasl: {pasword: [hunter2]}}\n",
        "kafka: {brokers: b, password: hunter2}\n",
        "kafak: {brokers: b, security: {tls: {key_pasword: hunter2}}}\n",
        "kafka: {brokers: b, security: {sasl: {mechanism: PLAIN, username: u, password: hunter2, password: hunter2}}}\n",
        "security: {sasl: {password: hunter2}}\n",
        "password: hunter2\n",
        "kafka: {brokers: b, security: {sasl: {username: u, password: *hunter2}}}\n",
        "kafka: {brokers: b, security: {sasl: {username: u, pasword: hunter2\n",
        "kafka:\n  security:\n    sasl:\n      password: |\n        hunter2\n       hunter2: [\n",
    ] {
        let report = parse_with(&format!("{head}{kafka}"), &Fake::default()).unwrap_err();
        assert!(!format!("{report} {report:?}").contains("hunter2"), "{report}");
    }
    // A column may have such a name.
    let file = "name: p\nsource: {topic: r, schema: {password: strng, token: bgint}}\nsink: out\n";
    let report = parse_with(file, &Fake::default()).unwrap_err().to_string();
    assert!(report.contains("password: strng, token: bgint"), "{report}");
}
