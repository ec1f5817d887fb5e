//! `validate` reports names that Kafka would refuse, at their place in the file.

use crate::harness::program::Fastdata;

#[test]
fn a_name_too_long_for_the_topics_of_a_pipeline_is_refused() {
    let f = Fastdata::in_temp();
    let pipeline = |name: &str, step: &str| {
        format!(
            "name: {name}\nsource: {{topic: in, schema: {{k: string}}}}\nsteps:\n  - name: {step}\n    scan: {{by: [k], init: {{n: 0}}, next: {{n: n + 1}}}}\nsink: out\n"
        )
    };
    // `NAME.progress` and `NAME.STEP.state` have 249 characters.
    f.file("fits.yaml", &pipeline(&"p".repeat(240), "a"));
    f.args("validate fits.yaml").succeeds();
    f.file("long.yaml", &pipeline(&"p".repeat(241), "a"));
    let ended = f.args("validate long.yaml").fails_with(2);
    assert!(ended.stderr_text().contains("long.yaml:1:7"), "{}", ended.stderr_text());
    assert!(ended.stderr_text().contains(".progress` would be longer than 249 characters"), "{}", ended.stderr_text());
    f.file("step.yaml", &pipeline(&"p".repeat(200), &"s".repeat(43)));
    let ended = f.args("validate step.yaml").fails_with(2);
    assert!(ended.stderr_text().contains("step.yaml:4:11"), "{}", ended.stderr_text());
    assert!(ended.stderr_text().contains(".state` would be longer than 249 characters"), "{}", ended.stderr_text());
}
