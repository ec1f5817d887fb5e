//! Walks the fields of a protobuf message without knowing its schema.
//!
//! Separate because three formats are protobuf and only the fields themselves tell which: a decoder of
//! the wrong schema accepts much of what it reads. It copies nothing and follows no nesting by itself.

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
}

/// The value of a field as far as the wire tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
}

/// All fields of a message, or `None` where the bytes are no message to their end.
pub(super) fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => {
                split(&mut bytes, 8)?;
                Value::Fixed
            }
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                Value::Bytes(split(&mut bytes, len)?)
            }
            5 => {
                split(&mut bytes, 4)?;
                Value::Fixed
            }
            _ => return None,
        };
        let number = key >> 3;
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        fields.push(Field { number, value });
    }
    Some(fields)
}

/// The first value of a field that is bytes.
pub(super) fn bytes_of<'a>(fields: &[Field<'a>], number: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|f| match f.value {
        Value::Bytes(b) if f.number == number => Some(b),
        _ => None,
    })
}

/// The text of a field: bytes in UTF-8 without control characters, as every name is.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|t| !t.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r')))
}

fn split<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(len)?;
    *bytes = tail;
    Some(head)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = split(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_read_to_the_end_or_not_at_all() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0, 0];
        let expected = [
            Field { number: 1, value: Value::Varint(150) },
            Field { number: 2, value: Value::Bytes(b"hi") },
            Field { number: 3, value: Value::Fixed },
        ];
        assert_eq!(fields(&message).as_deref(), Some(&expected[..]));
        assert_eq!(fields(&message[..message.len() - 1]), None);
        assert_eq!(fields(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_a_panic(bytes: Vec<u8>) {
            fields(&bytes);
        }
    }
}
