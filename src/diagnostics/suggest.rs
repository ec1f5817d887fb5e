//! Suggestions of the nearest name.
//!
//! YAML keys, columns, steps and commands use the same measure of distance. A name that differs too much from
//! what was written is never suggested.

/// The candidate that is nearest to `name`, if one is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, c)| *distance <= (name.chars().count().max(c.chars().count()) + 1) / 3)
        .map(|(_, c)| c)
}

/// A hint that names the nearest candidate, or all candidates if none is near.
pub fn one_of<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(name, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<_> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
    (!all.is_empty()).then(|| format!("expected one of {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_has_a_suggestion_and_an_unrelated_name_has_none() {
        assert_eq!(nearest("filtr", ["select", "filter"]), Some("filter"));
        assert_eq!(nearest("zzz", ["select", "filter"]), None);
        assert_eq!(one_of("zzz", ["a", "b"]).as_deref(), Some("expected one of `a`, `b`"));
    }
}
