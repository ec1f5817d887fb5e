//! Reading: the intake that polls the group and feeds the tasks, bounded runs, and the models topic.

pub(in crate::runtime) mod barriers;
pub(in crate::runtime) mod bounded;
pub(in crate::runtime) mod cursors;
mod decision;
pub(in crate::runtime) mod intake;
pub(super) mod model_feed;
mod peers;
pub(super) mod progress;
pub(in crate::runtime) mod read_partition;
pub(in crate::runtime) mod readers;
pub(in crate::runtime) mod stages;
pub(super) mod to_end;
