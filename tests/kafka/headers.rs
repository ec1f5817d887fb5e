//! Header names are bytes: a name that is not UTF-8 is read, printed and written unchanged.

use super::broker;
use super::segments;
use super::wire;
use crate::harness::program::Fastdata;
use crate::harness::topics::topic_config;
use fastdata::log::Log as _;

/// Not valid UTF-8.
const NAME: &[u8] = b"n\xff\xfename";

#[test]
fn a_header_name_that_is_not_utf8_passes_through_unchanged() {
    let Some(cluster) = broker::shared() else { return };
    let (name, log, f) = (cluster.name("headers"), cluster.connect(), Fastdata::in_temp());
    let (input, output, brokers) = (format!("{name}-in"), format!("{name}-out"), cluster.listener("PLAINTEXT"));
    for topic in [&input, &output] {
        log.create_topic(topic, &topic_config(1)).unwrap();
    }
    wire::produce(cluster, &input, b"{\"n\": 1}", &[(NAME, b"v"), (b"", b""), (b"plain", b"w")]);
    f.file(
        "p.yaml",
        &format!(
            "name: {name}\nsource: {{topic: {input}, schema: {{n: bigint}}}}\nsteps: [{{set: {{names: \"array_to_string(map_keys(_headers), '|')\"}}}}]\nsink: {{topic: {output}}}\n"
        ),
    );
    f.args(&format!("run p.yaml --until-end --quiet --brokers {brokers}")).succeeds();
    let written = [wire::header(NAME, b"v"), wire::header(b"", b""), wire::header(b"plain", b"w")].concat();
    let file = segments::files(&cluster.data_dir(0).join(format!("{output}-0"))).remove(0);
    let bytes = std::fs::read(file).unwrap();
    assert!(bytes.windows(written.len()).any(|w| w == written), "{bytes:?}");
    let shown = f.args(&format!("tail --topic {output} --from earliest --until-end --brokers {brokers}")).succeeds();
    assert!(
        shown.stdout_text().contains("n\u{fffd}\u{fffd}name=v") && shown.stdout_text().contains("plain=w"),
        "{}",
        shown.stdout_text()
    );
    assert!(shown.stdout_text().contains("n\u{fffd}\u{fffd}name||plain"), "`_headers` in SQL: {}", shown.stdout_text());
}
