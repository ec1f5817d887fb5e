//! A password that is sent in clear text causes one warning.

use super::broker::{self, Plan, USER};
use crate::harness::program::Fastdata;

#[test]
fn a_password_in_clear_text_is_one_warning() {
    let Some(cluster) = broker::start(Plan { secure: true, ..broker::SINGLE_NODE }) else { return };
    let f = Fastdata::in_temp();
    let ca = cluster.tls("ca.pem");
    let login = |protocol: &str, mechanism: &str| {
        format!(
            "security.protocol={protocol}\nsasl.mechanism={mechanism}\nsasl.username={}\nsasl.password={}\nssl.ca.location={}\n",
            USER.0,
            USER.1,
            ca.display()
        )
    };
    f.file("clear", &login("SASL_PLAINTEXT", "PLAIN"));
    f.file("hashed", &login("sasl_plaintext", "SCRAM-SHA-512"));
    f.file("encrypted", &login("sasl_ssl", "PLAIN"));
    let warning = format!(
        "the password for Kafka at {} is sent in clear text, because `sasl.mechanism` is PLAIN without TLS; use TLS or SCRAM-SHA-512",
        cluster.listener("SASL_PLAINTEXT")
    );
    for (file, listener, warned) in
        [("clear", "SASL_PLAINTEXT", true), ("hashed", "SASL_PLAINTEXT", false), ("encrypted", "SASL_SSL", false)]
    {
        let at = format!("--kafka-config {file} --brokers {}", cluster.listener(listener));
        let ended = f.args(&format!("topics list {at}")).succeeds();
        assert_eq!(
            ended.stderr_text().matches("clear text").count(),
            usize::from(warned),
            "{file}: {}",
            ended.stderr_text()
        );
        assert_eq!(ended.stderr_text().contains(&warning), warned, "{file}: {}", ended.stderr_text());
        let doctor = f.args(&format!("doctor {at}")).succeeds();
        assert_eq!(doctor.stdout_text().contains("warn  kafka password"), warned, "{file}: {}", doctor.stdout_text());
        assert!(!doctor.stderr_text().contains("clear text"), "{}", doctor.stderr_text());
    }
}
