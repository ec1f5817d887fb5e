//! The scorers against oracles that share no code with them: outputs of reference runtimes in the shared
//! folder (if it exists), outputs of numpy for the models of the examples, and hand-made graphs in `graphs`.

use super::*;
use crate::record::Offset;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

mod arithmetic;
mod graphs;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A case of the shared folder; prints that it is skipped if it does not exist.
fn shared(case: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FASTDATA_SHARED_MODELS").map_or_else(|| repository("../shared/models"), PathBuf::from);
    let path = root.join(case);
    if !path.is_dir() {
        println!("skipped: {} does not exist", path.display());
        return None;
    }
    Some(path)
}

fn lines(path: &Path) -> Vec<Map<String, Value>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn read(path: &Path) -> (ModelFormat, Vec<u8>) {
    match read_model(path).unwrap() {
        (Sniffed::Model(format), bytes) => (format, bytes),
        other => panic!("{other:?}"),
    }
}

fn agree(got: &Value, expected: &Value, rel: f64, abs: f64) -> bool {
    match (got, expected) {
        (Value::Number(g), Value::Number(e)) => {
            let (g, e) = (g.as_f64().unwrap(), e.as_f64().unwrap());
            (g - e).abs() <= abs.max(rel * e.abs())
        }
        (Value::Array(g), Value::Array(e)) => g.len() == e.len() && g.iter().zip(e).all(|(g, e)| agree(g, e, rel, abs)),
        _ => got == expected,
    }
}

fn reproduces(case: &str) {
    let Some(path) = shared(case) else { return };
    let about: Value = serde_json::from_str(&std::fs::read_to_string(path.join("case.json")).unwrap()).unwrap();
    let (format, bytes) = read(&path.join(about["model"].as_str().unwrap()));
    let scorer = load(format, &bytes).unwrap();
    let expected = lines(&path.join("expected.jsonl"));
    let got = score_rows(scorer.as_ref(), &lines(&path.join("input.jsonl")), None).unwrap();
    assert_eq!(got.len(), expected.len());
    let tolerance = |t: &str| about["tolerance"][t].as_f64().unwrap();
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        for (name, e) in expected {
            let fits = got.get(name).is_some_and(|g| agree(g, e, tolerance("rel"), tolerance("abs")));
            assert!(fits, "row {i} of {case}: `{name}` is {:?}, expected {e}", got.get(name));
        }
    }
}

#[test]
fn tf_wine_frozen_agrees_with_tensorflow() {
    reproduces("tf_wine_frozen");
}

#[test]
fn onnx_keras_mlp_agrees_with_onnxruntime() {
    reproduces("onnx_keras_mlp");
}

#[test]
fn onnx_wine_random_forest_agrees_with_onnxruntime() {
    reproduces("onnx_wine_random_forest");
}

#[test]
fn unsupported_operators_are_named() {
    for case in ["onnx_wine_mlp_regressor", "onnx_wine_scaler_logistic"] {
        let Some(path) = shared(case) else { return };
        let (format, bytes) = read(&path.join("model.onnx"));
        let error = load(format, &bytes).unwrap_err().to_string();
        assert_eq!(error, "model uses `ai.onnx.ml.Scaler`, which this version cannot evaluate", "{case}");
    }
}

#[test]
fn unsupported_formats_are_recognised_and_named() {
    let cases = [("pmml_wine_linear/model.pmml", ModelFormat::Pmml), ("pfa_wine_tree/model.pfa", ModelFormat::Pfa)];
    for (file, format) in cases {
        let Some(path) = shared(file.split('/').next().unwrap()) else { return };
        let path = path.with_file_name(file);
        assert_eq!(read(&path).0, format);
        let error = load(format, &[]).unwrap_err().to_string();
        assert!(error.contains("not supported by this version; it serves TensorFlow frozen graph and ONNX"), "{error}");
    }
}

fn example(file: &str) -> (ModelFormat, Vec<u8>) {
    read(&repository(file))
}

/// Rows written by `examples/models/train.py`: numpy, double precision.
fn agrees_with_numpy(model: &str, rows: &str) {
    let (format, bytes) = example(model);
    let scorer = load(format, &bytes).unwrap();
    let rows = lines(&repository(rows));
    let inputs: Vec<_> = rows.iter().map(|r| r["input"].as_object().unwrap().clone()).collect();
    let got = score_rows(scorer.as_ref(), &inputs, None).unwrap();
    assert_eq!(got.len(), 120);
    for (i, (got, row)) in got.iter().zip(&rows).enumerate() {
        let expected = &row["output"]["grades"];
        assert!(agree(&got["grades"], expected, 2e-4, 2e-5), "row {i}: {} is not {expected}", got["grades"]);
    }
}

#[test]
fn the_frozen_graph_of_the_examples_agrees_with_numpy() {
    agrees_with_numpy("examples/wine/wine.pb", "tests/models/wine_pb.jsonl");
}

#[test]
fn the_onnx_model_of_the_examples_agrees_with_numpy() {
    agrees_with_numpy("examples/models/wine.onnx", "tests/models/wine_onnx.jsonl");
}

#[test]
fn the_models_of_the_examples_have_the_same_signature() {
    let signature = |(format, bytes): (ModelFormat, Vec<u8>)| load(format, &bytes).unwrap().signature().to_string();
    let tensorflow = signature(example("examples/wine/wine.pb"));
    assert_eq!(tensorflow, "wine: float [n, 11] -> grades: list<float>");
    assert_eq!(tensorflow, signature(example("examples/models/wine.onnx")));
}

#[test]
fn a_record_with_a_missing_value_has_null_outputs() {
    let (format, bytes) = example("examples/wine/wine.pb");
    let scorer = load(format, &bytes).unwrap();
    let row = lines(&repository("tests/models/wine_pb.jsonl"))[0]["input"].as_object().unwrap().clone();
    let mut bad = row.clone();
    bad.insert("ph".into(), json!("sour"));
    let mut short = row.clone();
    short.shift_remove("alcohol");
    let got = score_rows(scorer.as_ref(), &[row.clone(), bad, short, row], None).unwrap();
    assert!(got[0]["grades"].is_array());
    assert_eq!((&got[1]["grades"], &got[2]["grades"]), (&Value::Null, &Value::Null));
    assert_eq!(got[0], got[3]);
}

#[test]
fn the_outputs_of_a_record_do_not_depend_on_its_batch() {
    let (format, bytes) = example("examples/wine/wine.pb");
    let scorer = load(format, &bytes).unwrap();
    let rows: Vec<_> = lines(&repository("tests/models/wine_pb.jsonl"))
        .iter()
        .map(|r| r["input"].as_object().unwrap().clone())
        .collect();
    let many: Vec<_> = rows.iter().cycle().take(1500).cloned().collect();
    let together = score_rows(scorer.as_ref(), &many, None).unwrap();
    for (row, expected) in rows.iter().zip(&together) {
        let alone = score_rows(scorer.as_ref(), std::slice::from_ref(row), None).unwrap();
        assert_eq!(&alone[0], expected);
    }
    assert_eq!(together[0], together[1440]);
}

// Recognition.

#[test]
fn each_protobuf_format_is_distinguished() {
    let (tensorflow, graph) = example("examples/wine/wine.pb");
    let (onnx, _) = example("examples/models/wine.onnx");
    assert_eq!((tensorflow, onnx), (ModelFormat::Tensorflow, ModelFormat::Onnx));
    let field = |number: u8, body: &[u8]| {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(body.len() as u64, &mut out);
        out.extend_from_slice(body);
        out
    };
    let saved = [vec![0x08, 0x01], field(2, &field(2, &graph))].concat();
    assert_eq!(sniff(&saved).unwrap(), Sniffed::Model(ModelFormat::TensorflowSaved));
    let descriptor = ModelDescriptor::of("wine", "wine", tensorflow, graph);
    assert_eq!(sniff(&descriptor.write()).unwrap(), Sniffed::Descriptor(Box::new(descriptor)));
    let located = ModelDescriptor { content: Some(Content::Location("/m.pb".into())), ..Default::default() };
    assert_eq!(sniff(&located.write()).unwrap(), Sniffed::Descriptor(Box::new(located.clone())));
    // The field number and the length of this name are white space, and all of it is text.
    let like_json = ModelDescriptor { name: format!("{{{}", "x".repeat(31)), ..located };
    assert_eq!(sniff(&like_json.write()).unwrap(), Sniffed::Descriptor(Box::new(like_json)));
}

#[test]
fn content_that_is_not_a_model_is_described() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "it is empty"),
        (b"<html><body/></html>", "it is XML with the root element `html`"),
        (b"{\"a\": 1}", "it is JSON without the `input`, `output` and `action` of a PFA document"),
        (b"\x89PNG\r\n\x1a\n", "it is neither text nor a whole protobuf message"),
        (b"name,age\nx,1\n", "it is neither text nor a whole protobuf message"),
        (b"\x08\x01", "it is a protobuf message of another kind"),
    ];
    for (bytes, reason) in cases {
        assert_eq!(sniff(bytes), Err(ModelError::Unrecognised { reason: reason.into() }));
    }
}

#[test]
fn pmml_is_recognised_after_a_prologue() {
    let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- <x> -->\n<PMML version=\"4.2\"/>";
    let found = sniff(text.as_bytes());
    assert_eq!(found, Ok(Sniffed::Model(ModelFormat::Pmml)));
}

// Hostile bytes.

fn wine_models() -> &'static [(ModelFormat, Vec<u8>)] {
    static MODELS: OnceLock<Vec<(ModelFormat, Vec<u8>)>> = OnceLock::new();
    MODELS.get_or_init(|| vec![example("examples/wine/wine.pb"), example("examples/models/wine.onnx")])
}

/// The ends of the top-level fields of a protobuf message, all of them length-delimited.
fn ends_of_fields(bytes: &[u8]) -> Vec<usize> {
    let (mut ends, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        at += 1;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = bytes[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += length;
        ends.push(at);
    }
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_truncated_model_is_an_error(which in 0usize..2, cut in 1usize..6000) {
        let (format, bytes) = &wine_models()[which];
        let kept = bytes.len() - cut;
        let outcome = load(*format, &bytes[..kept]);
        // A graph without its last nodes is a valid graph: only the digest of the record can detect that.
        prop_assert!(outcome.is_err() || (*format == ModelFormat::Tensorflow && ends_of_fields(bytes).contains(&kept)));
    }

    #[test]
    fn a_model_with_changed_bytes_never_panics(
        which in 0usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (format, bytes) = &wine_models()[which];
        let mut bytes = bytes.clone();
        // Most bytes are weights; the structure is at the start, so every other change goes there.
        for (i, (at, to)) in changes.into_iter().enumerate() {
            let end = if i % 2 == 0 { bytes.len() } else { 200 };
            bytes[at.index(end)] = to;
        }
        let _ = sniff(&bytes);
        let _ = load(*format, &bytes);
    }

    #[test]
    fn random_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = sniff(&bytes);
        for format in ModelFormat::VARIANTS {
            prop_assert!(load(format, &bytes).is_err());
        }
    }
}

// Descriptors and the registry.

fn descriptor(file: &str) -> ModelDescriptor {
    let (format, bytes) = example(file);
    ModelDescriptor::of("wine", "wine", format, bytes)
}

#[test]
fn a_descriptor_with_only_the_six_tutorial_fields_is_served() {
    let (_, bytes) = example("examples/wine/wine.pb");
    let mut record = vec![0x0a, 4];
    record.extend(b"wine\x12\x01d\x1a\x04wine\x2a");
    prost::encoding::encode_varint(bytes.len() as u64, &mut record);
    record.extend(&bytes);
    let registry = Registry::default();
    let applied = registry.apply(Offset(57), &ModelDescriptor::read(&record).unwrap(), 1, |_| Ok(()));
    let Applied::Serving(model) = applied else { panic!("{applied:?}") };
    assert_eq!((model.label().as_str(), model.description.as_str()), ("wine@57", "d"));
}

#[test]
fn the_descriptor_has_the_fields_of_the_proto_file() {
    let proto = std::fs::read_to_string(repository("proto/model.proto")).unwrap();
    let rust = include_str!("descriptor.rs");
    let mut fields = Vec::new();
    for line in proto.lines().map(str::trim).filter(|l| l.ends_with(';') && !l.starts_with("reserved")) {
        let parsed = line.trim_end_matches(';').split_once(" = ");
        if let Some((left, Ok(number))) = parsed.map(|(left, number)| (left, number.parse::<u32>())) {
            fields.push((plain_name(left.rsplit(' ').next().unwrap()), number));
        }
    }
    let mut mirrored = Vec::new();
    let mut tag = None;
    for line in rust.split("#[cfg(test)]").next().unwrap().lines().map(str::trim) {
        if let Some((_, rest)) = line.split_once("tag = \"") {
            tag = rest.split('"').next().unwrap().parse::<u32>().ok();
        } else if let Some(number) = tag.take() {
            let name = line.trim_start_matches("pub ").split([':', '(']).next().unwrap();
            mirrored.push((plain_name(name), number));
        } else if let Some((name, number)) = line.trim_end_matches(',').split_once(" = ")
            && let (Ok(number), true) = (number.parse(), name.starts_with(char::is_uppercase))
        {
            mirrored.push((plain_name(name), number));
        }
    }
    fields.sort();
    mirrored.sort();
    assert!(fields.len() > 15, "{fields:?}");
    assert_eq!(fields, mirrored);
}

fn plain_name(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

#[test]
fn a_descriptor_round_trips() {
    let mut d = descriptor("examples/wine/wine.pb");
    d.labels = vec!["low".into(), "medium".into(), "high".into()];
    d.golden = vec![GoldenRow { input: "{}".into(), output: "{}".into() }];
    d.activation = Activation::Hold.into();
    assert_eq!(ModelDescriptor::read(&d.write()), Ok(d));
}

#[test]
fn a_swap_leaves_the_old_model_usable() {
    let registry = Registry::default();
    let slot = registry.slot("wine");
    assert!(slot.load().is_none());
    registry.apply(Offset(0), &descriptor("examples/wine/wine.pb"), 1, |_| Ok(()));
    let old = slot.load().unwrap();
    registry.apply(Offset(1), &descriptor("examples/models/wine.onnx"), 2, |_| Ok(()));
    assert_eq!((old.version, slot.load().unwrap().version), (Offset(0), Offset(1)));
    let states: Vec<_> = slot.history().into_iter().map(|e| e.state).collect();
    assert_eq!(states, [VersionState::Superseded, VersionState::Serving]);
}

#[test]
fn a_rejected_model_leaves_the_old_one_serving_and_has_a_reason() {
    let registry = Registry::default();
    let good = descriptor("examples/wine/wine.pb");
    registry.apply(Offset(0), &good, 1, |_| Ok(()));
    let reason = |d: &ModelDescriptor, gate: Result<(), String>| match registry.apply(Offset(1), d, 2, |_| gate) {
        Applied::Rejected { reason } => reason,
        other => panic!("{other:?}"),
    };
    let changed = ModelDescriptor { content: Some(Content::Data(b"other".to_vec())), ..good.clone() };
    assert!(reason(&changed, Ok(())).contains("SHA-256"));
    let empty = ModelDescriptor { content: None, ..good.clone() };
    assert!(reason(&empty, Ok(())).contains("neither a model nor the location of one"));
    let wrong = ModelDescriptor { modeltype: ModelType::Onnx.into(), ..good.clone() };
    assert_eq!(
        reason(&wrong, Ok(())),
        "the descriptor declares ONNX, the content is TensorFlow frozen graph; publish the model file itself, so that its format is recognised"
    );
    let later = ModelDescriptor { activation: 2, ..good.clone() };
    assert!(reason(&later, Ok(())).contains("does not know the activation 2"));
    let away = ModelDescriptor { content: Some(Content::Location("s3://b/m.pb".into())), ..good.clone() };
    assert!(reason(&away, Ok(())).contains("reads models from files only"));
    assert_eq!(reason(&good, Err("does not bind".into())), "does not bind");
    assert_eq!(registry.slot("wine").load().unwrap().version, Offset(0));
    let last = registry.slot("wine").history().pop().unwrap();
    assert_eq!(last.state, VersionState::Rejected { reason: "does not bind".into() });
}

#[test]
fn a_model_published_without_activation_does_not_serve() {
    let registry = Registry::default();
    let held = ModelDescriptor { activation: Activation::Hold.into(), ..descriptor("examples/wine/wine.pb") };
    assert!(matches!(registry.apply(Offset(0), &held, 1, |_| Ok(())), Applied::Held(_)));
    assert!(registry.slot("wine").load().is_none());
}

#[test]
fn the_history_is_bounded_and_keeps_the_serving_version() {
    let registry = Registry::default();
    registry.apply(Offset(0), &descriptor("examples/wine/wine.pb"), 1, |_| Ok(()));
    let bad = ModelDescriptor { name: "wine".into(), ..Default::default() };
    (1..200).for_each(|i| drop(registry.apply(Offset(i), &bad, i, |_| Ok(()))));
    let history = registry.slot("wine").history();
    assert_eq!((history.len(), history[0].state.clone()), (64, VersionState::Serving));
}

#[test]
fn golden_rows_must_reproduce() {
    let mut d = descriptor("examples/wine/wine.pb");
    let rows = lines(&repository("tests/models/wine_pb.jsonl"));
    let golden = |r: &Map<String, Value>| GoldenRow { input: r["input"].to_string(), output: r["output"].to_string() };
    d.golden = rows.iter().take(5).map(golden).collect();
    assert!(prepare(Offset(0), &d, 0).is_ok());
    d.golden[3].output = json!({"grades": [1.0, 0.0, 0.0]}).to_string();
    d.golden[3].input = d.golden[0].input.clone();
    let error = prepare(Offset(0), &d, 0).unwrap_err();
    assert!(matches!(&error, ModelError::Golden { row: 4, output, .. } if output == "grades"), "{error}");
}

#[test]
fn a_model_can_be_read_from_its_location() {
    let path = repository("examples/wine/wine.pb").display().to_string();
    let at = |location: String| ModelDescriptor {
        name: "wine".into(),
        content: Some(Content::Location(location)),
        ..Default::default()
    };
    for scheme in ["", "file:", "file://", "file://localhost"] {
        assert!(prepare(Offset(0), &at(format!("{scheme}{path}")), 0).is_ok(), "{scheme}");
    }
    assert!(matches!(prepare(Offset(0), &at("/dev/zero".into()), 0), Err(ModelError::Location { .. })));
}
