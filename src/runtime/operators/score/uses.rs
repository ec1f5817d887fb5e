//! Which versions of models a step has used, for its statistics. The versions that served last are kept.

use crate::metrics::ModelUse;
use std::collections::BTreeMap;

/// Versions of a data type that are remembered: they are part of each progress record.
const MAX_VERSIONS: usize = 16;

/// The use of versions, by data type and version.
#[derive(Debug, Default)]
pub(super) struct ModelUses(BTreeMap<String, BTreeMap<i64, ModelUse>>);

impl ModelUses {
    /// A version serves its data type from now on. One that has served before keeps its counters.
    pub(super) fn activate(&mut self, new: ModelUse) {
        let (version, versions) = (new.version, self.0.entry(new.data_type.clone()).or_default());
        versions.values_mut().for_each(|used| used.active = false);
        versions.entry(version).or_insert(new).active = true;
        while versions.len() > MAX_VERSIONS {
            let oldest = versions.keys().copied().find(|known| *known != version);
            oldest.and_then(|oldest| versions.remove(&oldest));
        }
    }

    pub(super) fn get_mut(&mut self, data_type: &str, version: i64) -> Option<&mut ModelUse> {
        self.0.get_mut(data_type)?.get_mut(&version)
    }

    /// All that are remembered, by data type and version.
    pub(super) fn all(&self) -> Vec<ModelUse> {
        self.0.values().flat_map(BTreeMap::values).cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn used(data_type: &str, version: i64) -> ModelUse {
        ModelUse { data_type: data_type.into(), version, ..ModelUse::default() }
    }

    #[test]
    fn the_latest_versions_are_remembered_and_the_active_one_always() {
        let mut uses = ModelUses::default();
        uses.activate(used("beer", 5));
        (0..20).for_each(|version| uses.activate(used("wine", version)));
        uses.get_mut("wine", 19).unwrap().usage = 7;
        uses.activate(used("wine", 2));
        uses.activate(used("wine", 19));
        let all = uses.all();
        let of =
            |data_type: &str| all.iter().filter(|u| u.data_type == data_type).map(|u| u.version).collect::<Vec<_>>();
        assert_eq!((of("beer"), of("wine")), (vec![5], [2].into_iter().chain(5..20).collect()));
        let active: Vec<_> = all.iter().filter(|u| u.active).map(|u| (u.version, u.usage)).collect();
        assert_eq!(active, [(5, 0), (19, 7)]);
    }
}
