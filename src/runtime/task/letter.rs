//! One dead letter: the copy of a record, and why it could not be handled.
//!
//! A dead letter always fits its topic: parts that make it too large are left out, the value first.

use crate::record::{RecordsBuilder, encoded_len};
use sha2::{Digest, Sha256};

/// The error text of a dead letter that is too large even without the record's own bytes.
const MAX_ERROR_BYTES: usize = 512;

/// Name and value of a header.
type HeaderPair<'a> = (&'a [u8], Option<&'a [u8]>);

/// Why a record could not be handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct LetterReason<'a> {
    pub(super) error: &'a str,
    pub(super) step: &'a str,
    /// Topic, partition and offset.
    pub(super) source: &'a str,
    /// What is held is a row as JSON, and not the record that it came from.
    pub(super) is_row: bool,
}

/// A dead letter.
#[derive(Clone, Debug)]
pub(super) struct Letter<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) timestamp: i64,
    /// The record's own headers.
    pub(super) headers: Vec<HeaderPair<'a>>,
    pub(super) reason: LetterReason<'a>,
}

impl<'a> Letter<'a> {
    /// Writes the dead letter in at most `max_bytes`. Headers describe a value that is left out by its size and digest.
    pub(super) fn write(mut self, letters: &mut RecordsBuilder, max_bytes: usize) {
        // Kafka gives a dead letter the time at which it is written.
        let time = self.timestamp.to_string();
        let time = header("fastdata-timestamp", &time);
        if self.bytes(&[time]) <= max_bytes {
            return self.push(letters, &[time]);
        }
        let left_out = self.value.take().map(|v| (v.len().to_string(), format!("{:x}", Sha256::digest(v))));
        let digest = left_out
            .iter()
            .flat_map(|(size, sha256)| [header("fastdata-size", size), header("fastdata-sha256", sha256)]);
        let more: Vec<HeaderPair<'_>> = [time].into_iter().chain(digest).collect();
        if self.bytes(&more) > max_bytes {
            self.headers.clear();
        }
        if self.bytes(&more) > max_bytes {
            self.key = None;
        }
        if self.bytes(&more) > max_bytes {
            self.reason.error = &self.reason.error[..self.reason.error.floor_char_boundary(MAX_ERROR_BYTES)];
        }
        self.push(letters, &more);
    }

    fn bytes(&self, more: &[HeaderPair<'_>]) -> usize {
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        len(self.key) + len(self.value) + encoded_len(self.all_headers(more))
    }

    fn all_headers<'b>(&'b self, more: &'b [HeaderPair<'b>]) -> impl Iterator<Item = HeaderPair<'b>> {
        let LetterReason { error, step, source, is_row } = self.reason;
        let reason =
            [header("fastdata-error", error), header("fastdata-step", step), header("fastdata-source", source)];
        let row = is_row.then(|| header("fastdata-row", "true"));
        self.headers.iter().copied().chain(reason).chain(row).chain(more.iter().copied())
    }

    fn push(&self, letters: &mut RecordsBuilder, more: &[HeaderPair<'_>]) {
        let headers: Vec<_> = self.all_headers(more).collect();
        letters.push_with(self.key, self.value, self.timestamp, &headers);
    }
}

fn header<'a>(name: &'static str, value: &'a str) -> HeaderPair<'a> {
    (name.as_bytes(), Some(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Records;
    use arrow_array::Array;

    fn written(letter: Letter<'_>, max_bytes: usize) -> Records {
        let mut letters = RecordsBuilder::default();
        letter.write(&mut letters, max_bytes);
        letters.finish()
    }

    fn names(records: &Records) -> Vec<String> {
        let headers = records.headers.iter().flat_map(|h| h.row(0));
        headers.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    const REASON: [&str; 4] = ["fastdata-error", "fastdata-step", "fastdata-source", "fastdata-timestamp"];
    const DIGEST: [&str; 2] = ["fastdata-size", "fastdata-sha256"];

    #[test]
    fn what_makes_a_letter_too_large_is_left_out_the_value_first() {
        let (value, key, own, error) = (vec![b'v'; 500], vec![b'k'; 500], vec![b'h'; 500], "é".repeat(1000));
        let reason = LetterReason { error: "bad", step: "s", source: "t/0/1", is_row: false };
        let headers = vec![(b"own".as_slice(), Some(own.as_slice()))];
        let letter = Letter { key: Some(&key), value: Some(&value), timestamp: 7, headers, reason };
        let exact = letter.bytes(&[header("fastdata-timestamp", "7")]);

        let whole = written(letter.clone(), exact);
        assert_eq!((whole.record_bytes(0), whole.values.value(0)), (exact, value.as_slice()));
        assert_eq!(names(&whole), [["own"].as_slice(), &REASON].concat());

        let without_value = written(letter.clone(), exact - 1);
        assert!(without_value.values.is_null(0) && without_value.keys.value(0) == key);
        assert_eq!(names(&without_value), [["own"].as_slice(), &REASON, &DIGEST].concat());
        let size: Vec<_> = without_value.headers.iter().flat_map(|h| h.row(0)).collect();
        assert_eq!((size[4].1, size[5].1), (Some(b"7".as_slice()), Some(b"500".as_slice())));

        let without_headers = written(letter.clone(), 800);
        assert!(without_headers.values.is_null(0) && without_headers.keys.value(0) == key);
        assert_eq!(names(&without_headers), [REASON.as_slice(), &DIGEST].concat());

        assert!(written(letter.clone(), 400).keys.is_null(0));
        let reason = LetterReason { error: &error, ..reason };
        let shortened = written(Letter { reason, ..letter }, 800);
        assert!(shortened.record_bytes(0) <= 800);
        assert_eq!(names(&shortened), [REASON.as_slice(), &DIGEST].concat());
    }
}
