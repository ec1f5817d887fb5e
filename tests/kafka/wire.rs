//! Requests in Kafka's own protocol, for what client libraries do not offer.
//!
//! Each request has a connection of its own, to the listener without a login.

use super::broker::{Cluster, USER};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Kinds of resources, as Kafka numbers them.
pub const TOPIC: u8 = 2;
pub const GROUP: u8 = 3;
pub const TRANSACTIONAL_ID: u8 = 5;

/// Operations on a resource, as Kafka numbers them.
pub const ALL: u8 = 2;
pub const READ: u8 = 3;
pub const WRITE: u8 = 4;
pub const CREATE: u8 = 5;
pub const DELETE: u8 = 6;
pub const DESCRIBE: u8 = 8;
pub const DESCRIBE_CONFIGS: u8 = 10;

/// Pattern types of a rule's name, as Kafka numbers them.
pub const LITERAL: u8 = 3;
pub const PREFIXED: u8 = 4;

/// Numbers of requests.
const PRODUCE: u16 = 0;
const CREATE_ACLS: u16 = 30;
const DELETE_ACLS: u16 = 31;
const ALTER_CLIENT_QUOTAS: u16 = 49;

fn text(s: &str) -> Vec<u8> {
    [&u16::try_from(s.len()).unwrap().to_be_bytes(), s.as_bytes()].concat()
}

/// Sends a request and returns the body of its response.
fn request(cluster: &Cluster, api: u16, version: u16, body: &[u8]) -> Vec<u8> {
    let head = [&api.to_be_bytes()[..], &version.to_be_bytes(), &7u32.to_be_bytes(), &text("test")].concat();
    let mut connection = TcpStream::connect(cluster.listener("PLAINTEXT")).unwrap();
    connection.write_all(&u32::try_from(head.len() + body.len()).unwrap().to_be_bytes()).unwrap();
    connection.write_all(&[&head, body].concat()).unwrap();
    let mut size = [0; 4];
    connection.read_exact(&mut size).unwrap();
    let mut response = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap()];
    connection.read_exact(&mut response).unwrap();
    response.split_off(4)
}

/// Gives the user a right, or denies it.
pub fn rule(cluster: &Cluster, kind: u8, pattern: u8, name: &str, operation: u8, allowed: bool) {
    let rule = [
        vec![kind],
        text(name),
        vec![pattern],
        text(&format!("User:{}", USER.0)),
        text("*"),
        vec![operation, if allowed { 3 } else { 2 }],
    ];
    let body = [1u32.to_be_bytes().to_vec(), rule.concat()].concat();
    let response = request(cluster, CREATE_ACLS, 1, &body);
    // Throttle time, one result: its code.
    assert_eq!(response[4..10], [0, 0, 0, 1, 0, 0], "{response:?}");
}

/// Removes the rules of all users.
pub fn revoke_all(cluster: &Cluster) {
    // One filter: any kind, name, pattern, principal, host, operation and permission.
    let any = [&[1][..], &[255, 255], &[1], &[255, 255], &[255, 255], &[1, 1]].concat();
    let response = request(cluster, DELETE_ACLS, 1, &[1u32.to_be_bytes().to_vec(), any].concat());
    assert_eq!(response[4..10], [0, 0, 0, 1, 0, 0], "{response:?}");
}

/// Limits how many bytes per second the brokers take from producers with this client id.
pub fn limit_producer(cluster: &Cluster, client_id: &str, bytes_per_second: f64) {
    let one = 1u32.to_be_bytes();
    let entity = [&one[..], &text("client-id"), &text(client_id)].concat();
    let change = [&one[..], &text("producer_byte_rate"), &bytes_per_second.to_be_bytes(), &[0]].concat();
    let response = request(cluster, ALTER_CLIENT_QUOTAS, 0, &[&one[..], &entity, &change, &[0]].concat());
    // Throttle time, one result: its code.
    assert_eq!(response[4..10], [0, 0, 0, 1, 0, 0], "{response:?}");
}

/// Checksum of a batch: CRC-32C.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

/// A zigzag varint below 64.
fn short(n: usize) -> u8 {
    assert!(n < 64, "{n} needs more than a byte");
    u8::try_from(n * 2).unwrap()
}

/// Name and value with their lengths, as a record has them in a batch.
pub fn header(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[short(name.len())][..], name, &[short(value.len())], value].concat()
}

/// Writes a record without a key to partition 0 of a topic.
pub fn produce(cluster: &Cluster, topic: &str, value: &[u8], headers: &[(&[u8], &[u8])]) {
    let headers: Vec<Vec<u8>> = headers.iter().map(|(name, value)| header(name, value)).collect();
    // Attributes, differences of time and offset, no key (length -1).
    let record = [&[0, 0, 0, 1, short(value.len())][..], value, &[short(headers.len())], &headers.concat()].concat();
    let (time, none) = (1_700_000_000_000u64.to_be_bytes(), u64::MAX.to_be_bytes());
    // Attributes, last offset difference, first and last time, no producer id, epoch and sequence, one record.
    let rest =
        [&[0; 6][..], &time, &time, &none, &[255; 6], &1u32.to_be_bytes(), &[short(record.len())], &record].concat();
    let length = u32::try_from(rest.len() + 9).unwrap().to_be_bytes();
    let batch = [&[0; 8][..], &length, &[255; 4], &[2], &checksum(&rest).to_be_bytes(), &rest].concat();
    // No transactional id, all replicas, ten seconds; one topic with one partition.
    let body = [
        &[255, 255, 255, 255][..],
        &10_000u32.to_be_bytes(),
        &1u32.to_be_bytes(),
        &text(topic),
        &1u32.to_be_bytes(),
        &0u32.to_be_bytes(),
        &u32::try_from(batch.len()).unwrap().to_be_bytes(),
        &batch,
    ]
    .concat();
    let response = request(cluster, PRODUCE, 7, &body);
    let code = 4 + 2 + topic.len() + 4 + 4;
    assert_eq!(response[code..code + 2], [0, 0], "{response:?}");
}
