//! Forwards what a test's view of a log leaves unchanged to the log behind it.
//!
//! Each macro stands in an `impl` of its trait and writes the methods that no test changes. `forward_log!` takes the
//! names of further methods that this `impl` leaves unchanged too.

/// Writes methods of [`fastdata::log::Log`].
macro_rules! forward_log {
    ($self:ident => $log:expr; $($more:ident)*) => {
        fn name(&$self) -> String {
            $log.name()
        }

        fn create_topic(&$self, topic: &str, config: &fastdata::log::TopicConfig) -> fastdata::log::LogResult<()> {
            $log.create_topic(topic, config)
        }

        fn delete_topic(&$self, topic: &str) -> fastdata::log::LogResult<()> {
            $log.delete_topic(topic)
        }

        fn topics(&$self, only: Option<&str>) -> fastdata::log::LogResult<Vec<fastdata::log::TopicInfo>> {
            $log.topics(only)
        }

        fn resolve(
            &$self,
            at: &fastdata::record::TopicPartition,
            start: fastdata::log::Start,
        ) -> fastdata::log::LogResult<fastdata::record::Offset> {
            $log.resolve(at, start)
        }

        fn delete_offsets(
            &$self,
            group: &str,
            given_up: &std::sync::atomic::AtomicBool,
        ) -> fastdata::log::LogResult<()> {
            $log.delete_offsets(group, given_up)
        }

        fn start_over(
            &$self,
            over: &fastdata::log::StartOver<'_>,
            given_up: &std::sync::atomic::AtomicBool,
        ) -> fastdata::log::LogResult<()> {
            $log.start_over(over, given_up)
        }

        fn check_access(&$self, access: &fastdata::log::Access<'_>) -> fastdata::log::LogResult<()> {
            $log.check_access(access)
        }

        fn check_storage(&$self) -> fastdata::log::LogResult<()> {
            $log.check_storage()
        }

        fn deletion_retention(&$self) -> std::time::Duration {
            $log.deletion_retention()
        }

        $(forward_log!(@$more $self => $log);)*
    };
    (@appender $self:ident => $log:expr) => {
        fn appender(&$self) -> fastdata::log::LogResult<Box<dyn fastdata::log::Appender>> {
            $log.appender()
        }
    };
    (@committed $self:ident => $log:expr) => {
        fn committed(
            &$self,
            group: &str,
            of: &[fastdata::record::TopicPartition],
        ) -> fastdata::log::LogResult<Vec<Option<fastdata::record::Offset>>> {
            $log.committed(group, of)
        }
    };
    (@record_limits $self:ident => $log:expr) => {
        fn record_limits(
            &$self,
            topics: &[std::sync::Arc<str>],
        ) -> fastdata::log::LogResult<Vec<fastdata::log::RecordLimit>> {
            $log.record_limits(topics)
        }
    };
    (@delete_records $self:ident => $log:expr) => {
        fn delete_records(
            &$self,
            before: &[(fastdata::record::TopicPartition, fastdata::record::Offset)],
        ) -> fastdata::log::LogResult<()> {
            $log.delete_records(before)
        }
    };
}

/// Writes the methods that [`fastdata::log::Reader`] and [`fastdata::log::Member`] share, except `poll`.
macro_rules! forward_positions {
    ($self:ident => $to:expr) => {
        fn positions(&$self) -> Vec<(fastdata::record::TopicPartition, fastdata::record::Offset)> {
            $to.positions()
        }

        fn pause(
            &mut $self,
            of: &[fastdata::record::TopicPartition],
            paused: bool,
        ) -> fastdata::log::LogResult<()> {
            $to.pause(of, paused)
        }
    };
}

pub(crate) use {forward_log, forward_positions};
