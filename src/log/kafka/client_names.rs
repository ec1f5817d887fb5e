//! Refuses client names that are too long for Kafka. It accepts any character, but closes the connection or never
//! answers if a name is too long.

/// A member id has at most 32,767 bytes: one of these names and 37 bytes that the broker adds. With a longer name the
/// broker never answers a request to join a group; names over 32,767 bytes do not fit a request.
const MAX_CLIENT_NAME_BYTES: usize = 32_767 - 37;

/// Refuses a value that is too long for a property.
pub(super) fn check(property: &str, value: &str) -> Result<(), String> {
    match matches!(property, "client.id" | "group.instance.id") && value.len() > MAX_CLIENT_NAME_BYTES {
        true => Err(format!("it has {} bytes, and Kafka takes at most {MAX_CLIENT_NAME_BYTES}", value.len())),
        false => Ok(()),
    }
}
