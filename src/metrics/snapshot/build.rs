//! Builds a snapshot from the reports of a pipeline and the offsets of its topics.
//!
//! It is pure: the same reports and offsets give the same snapshot in any process.

use super::super::progress::REPARTITION_KIND;
use super::{
    InstanceState, InstanceStats, ModelStats, OffsetBounds, PartitionStats, PipelineState, RepartitionStats, Reports,
    Snapshot, SourceStats, StepStats,
};
use crate::metrics::instance::SILENT_AFTER_MILLIS;
use crate::metrics::{
    InputProgress, InstanceInfo, Latency, Ledger, ModelUse, PipelineInfo, SourceInfo, StepInfo, TaskProgress,
};
use crate::time::{NO_WATERMARK, PartitionWatermark};
use std::collections::BTreeMap;

impl Snapshot {
    /// Adds up the reports of tasks. `bounds` are the offsets of the topics that the pipeline reads, fetched
    /// after the reports; a topic without bounds is gone.
    #[must_use]
    pub fn of(pipeline: &str, reports: &Reports, bounds: &BTreeMap<String, Vec<OffsetBounds>>, now: i64) -> Self {
        let (info, info_at) = reports.info.clone().unzip();
        let has_info = info.is_some();
        let info = info.unwrap_or_default();
        let tasks = &reports.tasks;
        let instances = instances(reports, now);
        let instance_reports = instances.iter().map(|i| i.reported_at);
        let reported_at = tasks.values().map(|t| t.committed_at).chain(info_at).chain(instance_reports).max();
        // An instance that stops marks the pipeline as stopped, while other instances may still run.
        let running = instances.iter().any(|i| i.state == InstanceState::Running);
        // A run that ended before its first commit has said so of its instance only.
        let last_stopped = instances.iter().filter(|_| !running).max_by_key(|i| i.stopped_at);
        let (of_instance, ended) = last_stopped.map_or((None, None), |i| (i.stopped_at, i.ended.clone()));
        let silent = instances.iter().any(|i| i.state == InstanceState::Silent);
        let stopped_at = info.stopped_at.filter(|_| !running).max(of_instance.filter(|_| !silent));
        let watermark = watermark(tasks);
        let latency = latency(reports, &instances);
        let sources = sources(&info, tasks, bounds, now);
        let repartitions = repartitions(&info, tasks, bounds);
        Self {
            pipeline: pipeline.to_owned(),
            at: now,
            state: match (reported_at, stopped_at) {
                (None, _) => PipelineState::Starting,
                (Some(_), Some(_)) => PipelineState::Stopped,
                (Some(at), None) if now.saturating_sub(at) > SILENT_AFTER_MILLIS => PipelineState::Quiet,
                (Some(_), None) => PipelineState::Running,
            },
            instance: has_info.then(|| info.instance.clone()),
            started_at: has_info.then_some(info.started_at),
            stopped_at,
            ended: ended.filter(|_| stopped_at.is_some()),
            reported_at,
            memory_bytes: Some(info.memory).filter(|m| *m > 0),
            instances,
            watermark,
            watermark_behind_ms: watermark.map(|w| now.saturating_sub(w)),
            rate: None,
            latency: latency.summary(),
            sources,
            steps: steps(&info, tasks),
            ledger: Ledger::of(tasks.values(), &repartitions),
            repartitions,
        }
    }

    /// The instances of the current or last run.
    #[must_use]
    pub fn instances_of_last_run(&self) -> Vec<&InstanceStats> {
        of_last_run(&self.instances)
    }

    /// Whether the pipeline is starting or running.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state, PipelineState::Starting | PipelineState::Running)
    }
}

fn instances(reports: &Reports, now: i64) -> Vec<InstanceStats> {
    // The next instance to start deletes the records of those that stopped; killed ones are hidden here.
    let listed = reports.instances.values().filter(|i| i.stopped_at.is_some() || !i.is_expired(now));
    let mut all: Vec<InstanceStats> = listed.map(|i| instance(i, now)).collect();
    // By name, so that an instance which is started again under its name keeps its place.
    all.sort_by(|a, b| (&a.name, a.started_at).cmp(&(&b.name, b.started_at)));
    all
}

/// The latency of the last run. A task reports that of a commit with the next one, an instance with its end too.
fn latency(reports: &Reports, instances: &[InstanceStats]) -> Latency {
    let (mut of_tasks, mut of_instances) = (Latency::default(), Latency::default());
    reports.tasks.values().for_each(|t| of_tasks.merge(&t.latency));
    let last_run = of_last_run(instances).into_iter().filter_map(|i| reports.instances.get(&i.name));
    last_run.for_each(|i| of_instances.merge(&i.latency));
    if of_instances.count >= of_tasks.count { of_instances } else { of_tasks }
}

/// The instances of the current or last run. An instance that stopped before the most recent one started belongs
/// to an earlier run.
fn of_last_run(instances: &[InstanceStats]) -> Vec<&InstanceStats> {
    let newest = instances.iter().max_by_key(|i| (i.reported_at, i.started_at)).map_or(i64::MIN, |i| i.started_at);
    instances.iter().filter(|i| i.stopped_at.is_none_or(|at| at >= newest)).collect()
}

fn instance(info: &InstanceInfo, now: i64) -> InstanceStats {
    InstanceStats {
        name: info.name.clone(),
        state: match info.stopped_at {
            Some(_) => InstanceState::Stopped,
            None if now.saturating_sub(info.reported_at) > SILENT_AFTER_MILLIS => InstanceState::Silent,
            None => InstanceState::Running,
        },
        started_at: info.started_at,
        stopped_at: info.stopped_at,
        ended: info.ended.clone(),
        reported_at: info.reported_at,
        memory_bytes: Some(info.memory).filter(|m| *m > 0),
        tasks: info.tasks.clone(),
        restoring: info.restoring.clone(),
    }
}

fn watermark(tasks: &BTreeMap<String, TaskProgress>) -> Option<i64> {
    let active = tasks.values().filter(|t| !t.watermark.idle()).map(|t| t.watermark.now()).min();
    let minimum = active.or_else(|| tasks.values().map(|t| t.watermark.now()).min());
    minimum.filter(|w| *w != NO_WATERMARK)
}

fn sources(
    info: &PipelineInfo,
    tasks: &BTreeMap<String, TaskProgress>,
    bounds: &BTreeMap<String, Vec<OffsetBounds>>,
    now: i64,
) -> Vec<SourceStats> {
    info.sources.iter().map(|s| source(s, tasks, bounds.get(&s.topic), now)).collect()
}

fn source(
    source: &SourceInfo,
    tasks: &BTreeMap<String, TaskProgress>,
    bounds: Option<&Vec<OffsetBounds>>,
    now: i64,
) -> SourceStats {
    let mut partitions: BTreeMap<u32, PartitionStats> = BTreeMap::new();
    for (number, at) in (0u32..).zip(bounds.into_iter().flatten()) {
        let lag = lag(at.earliest, Some(*at));
        let row = PartitionStats { partition: number, end: Some(at.end), lag, ..PartitionStats::default() };
        partitions.insert(number, row);
    }
    for task in tasks.values() {
        // A task reads one partition of each input, sources first; its watermark has an entry for each input.
        let at = |(slot, input): (usize, _)| (input, task.watermark.inputs.get(slot).copied());
        let of_source = |(i, _): &(&InputProgress, _)| i.name == source.name && i.left.is_none();
        let found = task.inputs.iter().enumerate().map(at).find(of_source);
        let Some((input, clock)) = found else { continue };
        let end = bounds.and_then(|b| b.get(task.partition as usize)).copied();
        if bounds.is_some() && end.is_none() {
            continue;
        }
        let clock: PartitionWatermark = clock.unwrap_or_default();
        let row = PartitionStats {
            partition: task.partition,
            next: Some(input.next),
            end: end.map(|b| b.end),
            lag: lag(input.next, end),
            read: input.read,
            dead: input.dead,
            filtered: input.filtered,
            lost_offsets: input.lost,
            watermark: Some(clock.at).filter(|w| *w != NO_WATERMARK),
            newest: clock.newest,
            idle: clock.idle,
            committed_at: Some(task.committed_at),
        };
        partitions.insert(task.partition, row);
    }
    add_left(&source.name, tasks, &mut partitions);
    let partitions: Vec<PartitionStats> = partitions.into_values().collect();
    let read_from = partitions.iter().filter(|p| p.next.is_some());
    let active = read_from.clone().filter(|p| !p.idle).filter_map(|p| p.watermark).min();
    let watermark = active.or_else(|| read_from.filter_map(|p| p.watermark).max());
    SourceStats {
        name: source.name.clone(),
        topic: source.topic.clone(),
        read: partitions.iter().map(|p| p.read).sum(),
        dead: partitions.iter().map(|p| p.dead).sum(),
        filtered: partitions.iter().map(|p| p.filtered).sum(),
        lost_offsets: partitions.iter().map(|p| p.lost_offsets).sum(),
        lag: bounds.and_then(|_| partitions.iter().map(|p| p.lag).sum()),
        watermark,
        watermark_behind_ms: watermark.map(|w| now.saturating_sub(w)),
        rate: None,
        partitions,
    }
}

/// Adds what tasks of earlier plans have read of a source.
fn add_left(source: &str, tasks: &BTreeMap<String, TaskProgress>, partitions: &mut BTreeMap<u32, PartitionStats>) {
    let inputs = tasks.values().flat_map(|t| t.inputs.iter().map(move |i| (t.partition, i)));
    for (partition, input) in inputs.filter(|(_, i)| i.name == source && i.left.is_some()) {
        let none = PartitionStats { partition, ..PartitionStats::default() };
        let row = partitions.entry(partition).or_insert(none);
        row.read += input.read;
        row.dead += input.dead;
        row.filtered += input.filtered;
        row.lost_offsets += input.lost;
    }
}

/// Records that retention removed before they were read do not count.
fn lag(next: i64, bounds: Option<OffsetBounds>) -> Option<u64> {
    bounds.map(|b| u64::try_from(b.end - next.max(b.earliest)).unwrap_or(0))
}

fn steps(info: &PipelineInfo, tasks: &BTreeMap<String, TaskProgress>) -> Vec<StepStats> {
    info.steps.iter().map(|s| step(s, tasks)).collect()
}

fn step(info: &StepInfo, tasks: &BTreeMap<String, TaskProgress>) -> StepStats {
    let (name, kind, from) = (info.name.clone(), info.kind.clone(), info.from.clone());
    let mut stats = StepStats { name, kind, from, ..StepStats::default() };
    let mut models: BTreeMap<(&str, i64), Vec<&ModelUse>> = BTreeMap::new();
    for step in tasks.values().flat_map(|t| &t.steps).filter(|s| s.name == info.name) {
        stats.counters += step.counters;
        stats.keys += if step.left { 0 } else { step.keys };
        stats.bytes += if step.left { 0 } else { step.bytes };
        step.models.iter().for_each(|m| models.entry((&m.data_type, m.version)).or_default().push(m));
    }
    stats.models = models.into_values().filter_map(|uses| model(&uses)).collect();
    stats
}

/// Sums the use of one version over the tasks of a step.
fn model(uses: &[&ModelUse]) -> Option<ModelStats> {
    let first = uses.first()?;
    let mut duration = Latency::default();
    uses.iter().for_each(|m| duration.merge(&m.duration));
    Some(ModelStats {
        name: first.name.clone(),
        version: first.version,
        data_type: first.data_type.clone(),
        format: first.format.clone(),
        description: first.description.clone(),
        since: uses.iter().map(|m| m.since).min().unwrap_or(first.since),
        active: uses.iter().any(|m| m.active),
        usage: uses.iter().map(|m| m.usage).sum(),
        errors: uses.iter().map(|m| m.errors).sum(),
        rate: None,
        duration: duration.summary(),
    })
}

fn repartitions(
    info: &PipelineInfo,
    tasks: &BTreeMap<String, TaskProgress>,
    bounds: &BTreeMap<String, Vec<OffsetBounds>>,
) -> Vec<RepartitionStats> {
    let steps = info.steps.iter().filter(|s| s.kind == REPARTITION_KIND);
    steps.map(|s| repartition(&s.name, &info.name, tasks, bounds)).collect()
}

fn repartition(
    name: &str,
    pipeline: &str,
    tasks: &BTreeMap<String, TaskProgress>,
    bounds: &BTreeMap<String, Vec<OffsetBounds>>,
) -> RepartitionStats {
    let sent: u64 = tasks.values().flat_map(|t| &t.steps).filter(|s| s.name == name).map(|s| s.counters.written).sum();
    let mut received = 0;
    let mut next: BTreeMap<u32, i64> = BTreeMap::new();
    for task in tasks.values() {
        for input in task.inputs.iter().filter(|i| i.name == name) {
            received += input.read;
            if input.left.is_none() {
                next.insert(task.partition, input.next);
            }
        }
    }
    let topic = repartition_topic(pipeline, name);
    // Nothing is in transit in a topic that was read to its end: missing rows are lost.
    let read_to_end = bounds.get(&topic).is_some_and(|parts| {
        (0u32..).zip(parts).all(|(p, b)| b.end <= next.get(&p).copied().unwrap_or(0).max(b.earliest))
    });
    let missing = i64::try_from(i128::from(sent) - i128::from(received)).unwrap_or(i64::MAX);
    let lost = if missing < 0 || read_to_end { missing } else { 0 };
    let in_transit = u64::try_from(missing - lost).unwrap_or(0);
    RepartitionStats { name: name.to_owned(), topic, sent, received, in_transit, lost }
}

impl Reports {
    /// The topics that the pipeline reads, internal ones included.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let Some((info, _)) = &self.info else { return Vec::new() };
        let repartitions = info.steps.iter().filter(|s| s.kind == REPARTITION_KIND);
        let internal = repartitions.map(|s| repartition_topic(&info.name, &s.name));
        info.sources.iter().map(|s| s.topic.clone()).chain(internal).collect()
    }
}

/// The name that plans give it.
fn repartition_topic(pipeline: &str, name: &str) -> String {
    format!("{pipeline}.{name}")
}
