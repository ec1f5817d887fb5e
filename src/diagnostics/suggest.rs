//! Nearest-name suggestions.
//!
//! Separate because YAML keys, columns, steps and commands all use the same measure of "near".
//! It never suggests a name that shares little with what was written.

/// The candidate that is most like `word`, where one is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, c)| *distance <= (word.chars().count().max(c.chars().count()) + 1) / 3)
        .map(|(_, c)| c)
}

/// A hint that names the nearest candidate or, where none is near, all of them.
pub fn one_of<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<_> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
    (!all.is_empty()).then(|| format!("expected one of {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_a_stranger_finds_none() {
        assert_eq!(nearest("filtr", ["select", "filter"]), Some("filter"));
        assert_eq!(nearest("zzz", ["select", "filter"]), None);
        assert_eq!(one_of("zzz", ["a", "b"]).as_deref(), Some("expected one of `a`, `b`"));
    }
}
