//! The jars of Apache Kafka, fetched once with Maven: the only part of the tests that uses the network.
//!
//! They are kept in `FASTDATA_KAFKA_CACHE`, else in a folder of the user's cache.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const KAFKA_VERSION: &str = "4.3.1";

/// The release of log4j that Kafka uses. Kafka logs through slf4j, so the binding between them is fetched too.
const LOG4J_VERSION: &str = "2.25.4";

fn cache() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    named("FASTDATA_KAFKA_CACHE").unwrap_or_else(|| {
        let base = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
        base.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).join("fastdata-tests")
    })
}

pub fn java() -> PathBuf {
    std::env::var_os("JAVA_HOME").map_or_else(|| PathBuf::from("java"), |home| PathBuf::from(home).join("bin/java"))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// The class path of a broker, or the reason why there is none.
pub fn class_path() -> Result<String, String> {
    if !succeeds(Command::new(java()).arg("-version")) {
        return Err("there is no Java (17 or later) in PATH or JAVA_HOME".into());
    }
    let home = cache().join(format!("kafka-{KAFKA_VERSION}"));
    let lib = home.join("lib");
    let complete = home.join("complete");
    fs::create_dir_all(&home).map_err(|e| format!("{}: {e}", home.display()))?;
    // Concurrent test runs fetch once.
    let lock = File::create(home.join("lock")).and_then(|f| f.lock().map(|()| f));
    let lock = lock.map_err(|e| format!("{}: {e}", home.display()))?;
    if !complete.exists() {
        fetch(&home, &lib)?;
        fs::write(&complete, KAFKA_VERSION).map_err(|e| format!("{}: {e}", complete.display()))?;
    }
    drop(lock);
    Ok(format!("{}/*", lib.display()))
}

fn fetch(home: &std::path::Path, lib: &std::path::Path) -> Result<(), String> {
    let pom = home.join("pom.xml");
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        )
    };
    let text = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>fastdata.test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>\
         <dependencies>{}{}</dependencies></project>",
        dependency("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
        dependency("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J_VERSION),
    );
    fs::write(&pom, text).map_err(|e| format!("{}: {e}", pom.display()))?;
    let done = Command::new("mvn")
        .args(["-B", "-q", "-f"])
        .arg(&pom)
        .args(["org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", lib.display()))
        .stdin(Stdio::null())
        .output();
    match done {
        Err(e) => Err(format!("Maven cannot be run: {e}")),
        Ok(out) if !out.status.success() => {
            Err(format!("Maven cannot fetch Kafka {KAFKA_VERSION}: {}", String::from_utf8_lossy(&out.stdout)))
        }
        Ok(_) => Ok(()),
    }
}
