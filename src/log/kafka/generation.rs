//! The group generation under which a member commits.
//!
//! A broker accepts offsets with generation -1 and an empty member id from any client, inside a transaction even while
//! the group has members: clients without a group commit that way. So offsets are sent only with a [`LiveGeneration`],
//! which only a member has.

#![allow(unsafe_code, reason = "rdkafka does not show the generation and the member id of group metadata")]

use rdkafka::bindings::{
    rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_consumer_group_metadata_member_id,
    rd_kafka_consumer_group_metadata_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use std::ffi::CStr;
use std::ptr::NonNull;

/// The group metadata of a client that was a member of its group when it was read.
pub(super) struct LiveGeneration(ConsumerGroupMetadata);

impl LiveGeneration {
    /// The generation of a client; `None` unless it is a member of its group.
    pub(super) fn of<C: ConsumerContext>(client: &BaseConsumer<C>) -> Option<Self> {
        let ids = MemberIds::of(client).filter(MemberIds::are_live)?;
        let metadata = client.group_metadata()?;
        // A member never has the same ids again once it has lost them: those in between are the same.
        (MemberIds::of(client)? == ids).then_some(Self(metadata))
    }

    pub(super) fn metadata(&self) -> &ConsumerGroupMetadata {
        &self.0
    }
}

/// The ids by which a group identifies a member.
#[derive(Debug, PartialEq, Eq)]
struct MemberIds {
    generation: i32,
    member: Vec<u8>,
}

impl MemberIds {
    /// Those of a client; `None` for one without a group.
    fn of<C: ConsumerContext>(client: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client lives during the call, and what is returned belongs to the caller.
        let metadata = unsafe { rd_kafka_consumer_group_metadata(client.client().native_ptr()) };
        Some(NativeMetadata(NonNull::new(metadata)?).ids())
    }

    fn are_live(&self) -> bool {
        self.generation >= 0 && !self.member.is_empty()
    }
}

/// Group metadata of the C API.
struct NativeMetadata(NonNull<rd_kafka_consumer_group_metadata_t>);

impl NativeMetadata {
    fn ids(&self) -> MemberIds {
        // SAFETY: the metadata is valid. The member id is a C string that lives as long.
        unsafe {
            let generation = rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr());
            let member = CStr::from_ptr(rd_kafka_consumer_group_metadata_member_id(self.0.as_ptr()));
            MemberIds { generation, member: member.to_bytes().to_vec() }
        }
    }
}

impl Drop for NativeMetadata {
    fn drop(&mut self) {
        // SAFETY: the metadata is valid, and nobody else owns it.
        unsafe { rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_member_has_a_live_generation() {
        let ids = |generation, member: &str| MemberIds { generation, member: member.as_bytes().to_vec() };
        assert!(ids(0, "m").are_live() && ids(7, "m").are_live());
        assert!(!ids(-1, "m").are_live() && !ids(7, "").are_live() && !ids(-1, "").are_live());
    }
}
