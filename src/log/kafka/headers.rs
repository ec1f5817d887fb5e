//! Record headers as bytes, through librdkafka's C API.
//!
//! Kafka allows any bytes in a header name. rdkafka has names as `str`: it panics on a record whose name is not
//! UTF-8, and that record would end every instance that reads it. This module reads and sends headers without it.
//! Nothing of the C API leaves it.
//!
//! A name ends at its first NUL byte when it is read: the C API returns it without its length.

#![allow(unsafe_code, reason = "rdkafka has no call for header names that are not UTF-8")]

use super::context::KafkaProducerContext;
use rdkafka::bindings::{
    RD_KAFKA_MSG_F_COPY, rd_kafka_header_add, rd_kafka_header_get_all, rd_kafka_headers_destroy, rd_kafka_headers_new,
    rd_kafka_headers_t, rd_kafka_message_headers, rd_kafka_producev, rd_kafka_resp_err_t, rd_kafka_vtype_t as Field,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};

const NO_ERROR: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// A header: its name, and its value unless that is null.
pub(super) type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// The headers of a record, in order.
pub(super) fn of<'a>(message: &'a BorrowedMessage<'_>) -> Vec<Header<'a>> {
    let mut list: *mut rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: `message` keeps its native message alive. The list that is returned belongs to that message.
    let outcome = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut list) };
    if outcome != NO_ERROR || list.is_null() {
        return Vec::new();
    }
    let mut headers = Vec::new();
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: `list` is valid as long as `message`; an index past its end is answered with an error.
        let outcome =
            unsafe { rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size) };
        if outcome != NO_ERROR {
            return headers;
        }
        // SAFETY: after success `name` is a C string within the list, which lives as long as `message`.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        // SAFETY: a value that is not null has `size` bytes within the list, which lives as long as `message`.
        let value = (!value.is_null()).then(|| unsafe { std::slice::from_raw_parts(value.cast::<u8>(), size) });
        headers.push((name, value));
    }
}

/// A native list of headers.
struct NativeHeaders(NonNull<rd_kafka_headers_t>);

impl NativeHeaders {
    fn new(headers: &[Header<'_>]) -> Result<Self, KafkaError> {
        // SAFETY: the call only allocates.
        let list = unsafe { rd_kafka_headers_new(headers.len()) };
        let list = Self(NonNull::new(list).ok_or(KafkaError::MessageProduction(Code::Fail))?);
        for (name, value) in headers {
            let (value, size) = value.map_or((ptr::null(), 0), |v| (v.as_ptr(), v.len()));
            // SAFETY: the list is valid, and the call copies name and value, whose lengths are given.
            let outcome = unsafe {
                rd_kafka_header_add(
                    list.0.as_ptr(),
                    name.as_ptr().cast(),
                    name.len().cast_signed(),
                    value.cast(),
                    size.cast_signed(),
                )
            };
            if outcome != NO_ERROR {
                return Err(KafkaError::MessageProduction(outcome.into()));
            }
        }
        Ok(list)
    }
}

impl Drop for NativeHeaders {
    fn drop(&mut self) {
        // SAFETY: the list is valid, and nobody else owns it.
        unsafe { rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}

/// Queues a record with these headers, as `BaseProducer::send` does.
pub(super) fn send(
    producer: &BaseProducer<KafkaProducerContext>,
    record: &BaseRecord<'_, [u8], [u8], usize>,
    headers: &[Header<'_>],
) -> Result<(), KafkaError> {
    let headers = NativeHeaders::new(headers)?;
    let topic = CString::new(record.topic)?;
    let bytes = |part: Option<&[u8]>| part.map_or((ptr::null(), 0), |b| (b.as_ptr().cast::<c_void>(), b.len()));
    let ((key, key_size), (value, value_size)) = (bytes(record.key), bytes(record.payload));
    // SAFETY: each field is followed by arguments of the types that librdkafka documents for it, up to the end mark.
    // All pointers are valid during the call, which copies key and value. The opaque value is a number: the delivery
    // callback converts it back and does not read through it. The headers are the producer's only after success.
    let outcome: rd_kafka_resp_err_t = unsafe {
        rd_kafka_producev(
            producer.client().native_ptr(),
            Field::RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            Field::RD_KAFKA_VTYPE_PARTITION,
            record.partition.unwrap_or(-1),
            Field::RD_KAFKA_VTYPE_MSGFLAGS,
            RD_KAFKA_MSG_F_COPY,
            Field::RD_KAFKA_VTYPE_VALUE,
            value,
            value_size,
            Field::RD_KAFKA_VTYPE_KEY,
            key,
            key_size,
            Field::RD_KAFKA_VTYPE_OPAQUE,
            ptr::without_provenance_mut::<c_void>(record.delivery_opaque),
            Field::RD_KAFKA_VTYPE_TIMESTAMP,
            record.timestamp.unwrap_or(0),
            Field::RD_KAFKA_VTYPE_HEADERS,
            headers.0.as_ptr(),
            Field::RD_KAFKA_VTYPE_END,
        )
    };
    if outcome != NO_ERROR {
        return Err(KafkaError::MessageProduction(outcome.into()));
    }
    std::mem::forget(headers);
    Ok(())
}
