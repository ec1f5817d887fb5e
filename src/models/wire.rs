//! Walks the fields of a protobuf message without knowing its schema.
//!
//! Three model formats are protobuf, and a decoder with the wrong schema accepts much of what it reads. So
//! `sniff` examines the fields themselves. This file copies no values and descends into no nested message.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WireField<'a> {
    pub(super) number: u64,
    pub(super) value: WireValue<'a>,
}

/// The value of a field as its wire type encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireValue<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
}

/// All fields of a message; `None` if the bytes are not a complete message.
pub(super) fn fields(mut bytes: &[u8]) -> Option<Vec<WireField<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => WireValue::Varint(varint(&mut bytes)?),
            1 => {
                split(&mut bytes, 8)?;
                WireValue::Fixed
            }
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                WireValue::Bytes(split(&mut bytes, len)?)
            }
            5 => {
                split(&mut bytes, 4)?;
                WireValue::Fixed
            }
            _ => return None,
        };
        let number = key >> 3;
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        fields.push(WireField { number, value });
    }
    Some(fields)
}

/// The first length-delimited value with this field number.
pub(super) fn bytes_of<'a>(fields: &[WireField<'a>], number: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|f| match f.value {
        WireValue::Bytes(b) if f.number == number => Some(b),
        _ => None,
    })
}

/// Whether bytes can be a name: UTF-8 without control characters.
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
    fn a_truncated_message_has_no_fields() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0, 0];
        let expected = [
            WireField { number: 1, value: WireValue::Varint(150) },
            WireField { number: 2, value: WireValue::Bytes(b"hi") },
            WireField { number: 3, value: WireValue::Fixed },
        ];
        assert_eq!(fields(&message).as_deref(), Some(&expected[..]));
        assert_eq!(fields(&message[..message.len() - 1]), None);
        assert_eq!(fields(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            fields(&bytes);
        }
    }
}
