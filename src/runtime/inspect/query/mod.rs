//! Reads the committed state of a step from its changelog, for `query`.
//!
//! It joins no group and writes nothing, so it works from any process and for all instances of a pipeline together.
//! The operators decode the rows of their state. Memory holds the selected rows only.

mod error;
mod key;

pub use error::QueryError;

use crate::formats::keys;
use crate::log::{Log, partition_of, partitions};
use crate::plan::{InputPlan, NodePlan, Op, Physical, SubTopology};
use crate::record::TopicPartition;
use crate::runtime::cancel::CancelToken;
use crate::runtime::operators::{ScanOperator, WindowOperator};
use crate::runtime::read::to_end::read_all;
use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The part of a state that a query selects; by default all of it.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only this key, written like a record key.
    pub key: Option<String>,
    /// Only the windows that contain this time, epoch milliseconds.
    pub contains: Option<i64>,
    /// Only windows that begin at or after this time.
    pub from: Option<i64>,
    /// Only windows that begin before this time.
    pub to: Option<i64>,
    /// The number of rows to return, the first in order.
    pub limit: Option<usize>,
}

/// The selected state, as its step would emit it.
#[derive(Debug)]
pub struct QueryResult {
    /// The rows: by the end of their window, where they have one, then by key.
    pub rows: RecordBatch,
    /// The errors of rows that could not be computed.
    pub bad: Vec<String>,
}

/// Rows of state by key and partition.
type StoredRows = BTreeMap<(Vec<u8>, u32), Vec<u8>>;

/// The operator that decodes the rows.
enum StateReader {
    Window(Box<WindowOperator>),
    Scan(Box<ScanOperator>),
}

/// Which rows of state a query selects, by their keys.
struct RowFilter {
    /// The ends of the selected windows.
    ends: Option<std::ops::RangeInclusive<i64>>,
    /// The selected group.
    group: Option<Vec<u8>>,
}

/// Reads the committed state of a step.
///
/// # Errors
/// The step has no such state, the selection does not fit it, or it cannot be read.
pub fn query(log: &dyn Log, plan: &Physical, step: &str, selection: &Selection) -> Result<QueryResult, QueryError> {
    let (sub, node) = find(plan, step)?;
    let reader = StateReader::for_node(node)?;
    let mut filter = RowFilter { ends: reader.ends(step, selection)?, group: None };
    let topic = plan.state_topic(step);
    let Some(info) = log.topics(Some(&topic))?.pop() else {
        let (pipeline, step) = (plan.name.clone(), step.to_owned());
        return Err(QueryError::NeverRan { pipeline, step, topic, log: log.name() });
    };
    let mut order = partitions(&info);
    if let Some(text) = &selection.key {
        let by = columns(step, text, &reader.by())?;
        filter.group = Some(reader.group_key(&by)?);
        owner_first(&mut order, &keys(&by));
    }
    // Records of a repartition topic are in the partition of their key. Those of a source may be in any.
    let by_key = sub.inputs.iter().all(|i| matches!(i, InputPlan::Repartition(_)));
    let mut rows = StoredRows::new();
    for at in &order {
        rows.extend(read(log, at, &filter)?);
        while selection.limit.is_some_and(|limit| rows.len() > limit) {
            rows.pop_last();
        }
        if filter.group.is_some() && (by_key || !rows.is_empty()) {
            break;
        }
    }
    reader.decode(&rows)
}

fn find<'a>(plan: &'a Physical, step: &str) -> Result<(&'a SubTopology, &'a NodePlan), QueryError> {
    let nodes = || plan.subs.iter().flat_map(|s| s.nodes.iter().map(move |n| (s, n)));
    let of_user = |op: &Op| !matches!(op, Op::Sink(_) | Op::Repartition(_));
    let names = |which: &dyn Fn(&Op) -> bool| {
        nodes().filter(|(_, n)| which(&n.op)).map(|(_, n)| n.name.clone()).collect::<Vec<_>>()
    };
    let stateful = names(&Op::stateful);
    match nodes().find(|(_, n)| n.name == step && of_user(&n.op)) {
        Some((sub, node)) if node.op.stateful() => Ok((sub, node)),
        Some((_, node)) => Err(QueryError::Stateless { step: step.into(), kind: node.op.kind(), stateful }),
        None => {
            let (pipeline, step, known) = (plan.name.clone(), step.to_owned(), names(&of_user));
            Err(QueryError::UnknownStep { pipeline, step, known, stateful })
        }
    }
}

fn columns(step: &str, text: &str, by: &[FieldRef]) -> Result<Vec<ArrayRef>, QueryError> {
    if by.is_empty() {
        return Err(QueryError::NoKey(step.into()));
    }
    key::columns(text, by).map_err(|reason| QueryError::WrongKey {
        key: text.into(),
        step: step.into(),
        by: by.iter().map(|f| f.name().clone()).collect(),
        reason,
    })
}

/// Moves the partition of a key before the others.
fn owner_first(order: &mut [TopicPartition], key: &arrow_array::BinaryArray) {
    let count = u32::try_from(order.len()).unwrap_or(u32::MAX);
    // Rows without a key are a group of partition 0.
    let own = if key.is_null(0) { 0 } else { partition_of(key.value(0), count).0 };
    order.sort_by_key(|at| at.partition.0 != own);
}

/// The selected rows of one partition, as of its end.
fn read(log: &dyn Log, at: &TopicPartition, wanted: &RowFilter) -> Result<StoredRows, QueryError> {
    let mut held = StoredRows::new();
    // Nothing cancels a query but the end of the process.
    read_all(log, at, &CancelToken::default(), |fetched| {
        for record in fetched.keyed().filter(|record| wanted.is(record.key)) {
            let key = (record.key.to_vec(), at.partition.0);
            match record.value {
                Some(value) => drop(held.insert(key, value.to_vec())),
                None => drop(held.remove(&key)),
            }
        }
        Ok(())
    })?;
    Ok(held)
}

impl RowFilter {
    fn is(&self, key: &[u8]) -> bool {
        let of_window = |ends: &std::ops::RangeInclusive<i64>| {
            WindowOperator::window_end(key).is_some_and(|end| ends.contains(&end))
        };
        let group = if self.ends.is_some() { key.get(8..).unwrap_or_default() } else { key };
        self.ends.as_ref().is_none_or(of_window) && self.group.as_ref().is_none_or(|g| g == group)
    }
}

impl StateReader {
    fn for_node(node: &NodePlan) -> Result<Self, QueryError> {
        let origin = || TopicPartition::new(node.name.as_str(), 0);
        match node.op.clone() {
            Op::Window(plan) => Ok(Self::Window(Box::new(WindowOperator::new(plan, origin())?))),
            Op::Scan(plan) => Ok(Self::Scan(Box::new(ScanOperator::new(plan)?))),
            other => Err(QueryError::Foreign { step: node.name.clone(), kind: other.kind() }),
        }
    }

    /// The columns of the key.
    fn by(&self) -> Vec<FieldRef> {
        match self {
            Self::Window(window) => window.by().to_vec(),
            Self::Scan(scan) => scan.by(),
        }
    }

    /// Encodes a group as in the keys of state.
    fn group_key(&self, by: &[ArrayRef]) -> Result<Vec<u8>, QueryError> {
        Ok(match self {
            Self::Window(window) => window.group_key(by)?,
            Self::Scan(scan) => scan.state_key(by)?,
        })
    }

    /// The ends of the selected windows; a scan has no windows.
    fn ends(&self, step: &str, selection: &Selection) -> Result<Option<std::ops::RangeInclusive<i64>>, QueryError> {
        match self {
            Self::Window(window) => Ok(Some(window.ends(selection.contains, selection.from, selection.to))),
            Self::Scan(_) if selection.contains.or(selection.from).or(selection.to).is_some() => {
                Err(QueryError::NoWindows(step.into()))
            }
            Self::Scan(_) => Ok(None),
        }
    }

    fn decode(&self, stored: &StoredRows) -> Result<QueryResult, QueryError> {
        let rows: Vec<(&[u8], &[u8])> = stored.iter().map(|((k, _), v)| (k.as_slice(), v.as_slice())).collect();
        match self {
            Self::Window(window) => {
                let (mut parts, mut bad) = (Vec::new(), Vec::new());
                for (columns, faults) in window.results(&rows)? {
                    let mut good = vec![true; columns.num_rows()];
                    faults.iter().for_each(|fault| good[fault.row] = false);
                    parts.push(filter_record_batch(&columns, &good.into()).map_err(QueryError::internal)?);
                    bad.extend(faults.into_iter().map(|b| b.error));
                }
                let rows = concat_batches(window.schema(), &parts).map_err(QueryError::internal)?;
                Ok(QueryResult { rows, bad })
            }
            Self::Scan(scan) => {
                let rows = scan.results(&rows)?;
                // Without `by` there is one fold per partition, named by its partition.
                let partition =
                    scan.by().is_empty().then(|| stored.keys().map(|(_, p)| i32::try_from(*p).ok()).collect());
                let rows = partition.map_or(Ok(rows.clone()), |p| with_partition(&rows, p))?;
                Ok(QueryResult { rows, bad: Vec::new() })
            }
        }
    }
}

fn with_partition(rows: &RecordBatch, partition: Int32Array) -> Result<RecordBatch, QueryError> {
    let schema = rows.schema();
    let field = Arc::new(Field::new("_partition", DataType::Int32, true));
    let fields: Vec<FieldRef> = std::iter::once(field).chain(schema.fields().iter().cloned()).collect();
    let columns = std::iter::once(Arc::new(partition) as ArrayRef).chain(rows.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect()).map_err(QueryError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::BinaryArray;

    #[test]
    fn the_partition_of_a_key_is_read_before_the_others() {
        let order = |key: Option<&[u8]>| {
            let mut order: Vec<_> = (0..4).map(|p| TopicPartition::new("p.w.state", p)).collect();
            owner_first(&mut order, &BinaryArray::from(vec![key]));
            order.iter().map(|at| at.partition.0).collect::<Vec<_>>()
        };
        // Kafka's own test expects -790332482 as the hash of `foobar`.
        let foobar = u32::try_from((-790_332_482_i64 & 0x7fff_ffff) % 4).unwrap_or(9);
        assert_eq!(foobar, 2);
        assert_eq!(order(Some(b"foobar")), [2, 0, 1, 3]);
        assert_eq!(order(None), [0, 1, 2, 3]);
    }

    #[test]
    fn rows_are_selected_by_window_and_by_group() {
        let key = |end: i64, group: &[u8]| [&(end.cast_unsigned() ^ (1 << 63)).to_be_bytes(), group].concat();
        let wanted = RowFilter { ends: Some(60..=120), group: Some(b"g".to_vec()) };
        let is = [key(60, b"g"), key(120, b"g"), key(121, b"g"), key(59, b"g"), key(60, b"h"), b"floor".to_vec()];
        assert_eq!(is.map(|k| wanted.is(&k)), [true, true, false, false, false, false]);
        assert!(RowFilter { ends: None, group: Some(b"long group".to_vec()) }.is(b"long group"));
    }
}
