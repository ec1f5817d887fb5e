//! Publishing, listing and serving models.

use crate::harness::program::Fastdata;
use serde_json::Value;
use std::path::Path;

fn copy_wine_model(f: &Fastdata) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wine/wine.pb");
    std::fs::copy(from, f.dir().join("wine.pb")).unwrap();
}

#[test]
fn a_version_is_the_offset_of_its_record() {
    let f = Fastdata::in_temp();
    copy_wine_model(&f);
    f.args("publish-model wine.pb").succeeds().stdout("wine@0\n").stderr(
        "published TensorFlow frozen graph model (7.1 KiB), served for the data type `wine`: wine: float [n, 11] -> grades: list<float>\n",
    );
    f.args("publish-model wine.pb --name second --data-type wine --no-activate").succeeds().stdout("second@1\n");
    f.args("publish-model wine.pb --name third --data-type wine").succeeds().stdout("third@2\n");
    let listed = f.args("models list --output json").succeeds();
    let listed: Vec<Value> = listed.stdout_text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let states: Vec<_> =
        listed.iter().map(|m| (m["model"].as_str().unwrap(), m["version"].as_i64().unwrap(), &m["state"])).collect();
    assert_eq!(states.iter().map(|s| (s.0, s.1)).collect::<Vec<_>>(), [("wine", 0), ("second", 1), ("third", 2)]);
    assert_eq!(states[2].2, "serving");
    assert!(states[..2].iter().all(|s| s.2 != "serving"), "{states:?}");
}

/// The gate checks that a version has the outputs that the SQL of the step uses.
#[test]
fn a_model_without_the_outputs_of_the_step_does_not_serve() {
    let f = Fastdata::in_temp();
    copy_wine_model(&f);
    let pipeline = "name: p
source: {topic: raw, schema: {id: bigint, alcohol: double}}
steps:
  - score:
      model: wine
      inputs: [alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol]
      outputs: {best: 'OUTPUT'}
      when_missing: null
sink: out
";
    f.args("publish-model wine.pb").succeeds();
    f.args("seed --topic raw --count 3 --random-seed 1").succeeds();
    let best = |output: &str, name: &str| {
        f.file("p.yaml", &pipeline.replace("OUTPUT", output).replace("name: p", &format!("name: {name}")));
        f.file(
            "p.yaml",
            &std::fs::read_to_string(f.dir().join("p.yaml")).unwrap().replace("sink: out", &format!("sink: {name}")),
        );
        let run = f.args("run p.yaml --until-end").succeeds();
        let rows = f.args(&format!("tail --topic {name} --until-end --output raw")).succeeds();
        let best = rows
            .stdout_text()
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["best"].is_number())
            .collect::<Vec<_>>();
        (best, run.stderr_text().to_owned())
    };
    let (scored, _) = best("argmax(grades)", "a");
    assert_eq!(scored, [true; 3]);
    let (scored, stderr) = best("marks[1]", "b");
    assert_eq!(scored, [false; 3]);
    let reason = "the step uses an output `marks`, which the model does not give; it gives `grades`";
    assert!(stderr.contains(reason), "{stderr}");
    let (scored, stderr) = best("grades + 1", "c");
    assert_eq!(scored, [false; 3]);
    let reason = "output `grades` of the model is list<float>, the SQL of the step takes double";
    assert!(stderr.contains(reason), "{stderr}");
    // A name that is nearly that of a common output is taken for a misspelling.
    f.file("p.yaml", &pipeline.replace("OUTPUT", "predicton"));
    f.args("validate p.yaml").fails_with(2);
}

#[test]
fn a_file_that_is_no_model_is_not_published() {
    let f = Fastdata::in_temp();
    f.file("wine.pb", "hello\n");
    f.args("publish-model wine.pb").fails_with(2).stdout("").stderr(
        "error: `wine.pb` cannot be published: the content is not a model: it is neither text nor a whole protobuf message; expected a TensorFlow frozen graph, an ONNX, PMML or PFA model, a SavedModel, or a model descriptor\n",
    );
    f.args("publish-model nothing.onnx").fails_with(2).stdout("").stderr(
        "error: `nothing.onnx` cannot be published: the model at `nothing.onnx` cannot be read: No such file or directory (os error 2)\n",
    );
    assert!(!f.log_dir().exists(), "a refused model leaves nothing behind");
}
