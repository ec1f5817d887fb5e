//! Names of clients that Kafka does not take: it refuses no character, but hangs up, or never answers, where a name is
//! too long.

/// A member's id, of at most 32,767 bytes, is one of these names and 37 bytes that the broker adds. With a longer name
/// the broker never answers whoever joins a group; names over 32,767 bytes do not fit a request.
const MAX_CLIENT_NAME_BYTES: usize = 32_767 - 37;

/// Refuses a value that Kafka does not take for a property.
pub(super) fn check(property: &str, value: &str) -> Result<(), String> {
    match matches!(property, "client.id" | "group.instance.id") && value.len() > MAX_CLIENT_NAME_BYTES {
        true => Err(format!("it has {} bytes, and Kafka takes at most {MAX_CLIENT_NAME_BYTES}", value.len())),
        false => Ok(()),
    }
}
