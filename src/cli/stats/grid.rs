//! Tables that give up columns where the screen is narrow, as styled text that is painted elsewhere.
//!
//! Separate from the listings' plain table because the same lines go to stdout and to the live screen.

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    /// It does not.
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// Less than the rest.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// A fault.
    Alarm,
}

/// Pieces of text, one after the other.
pub(super) type Line = Vec<(String, Tone)>;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell(pub(super) String, pub(super) Tone);

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A column: its heading; `right` where it holds figures; the greater `rank`, the sooner it is left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) right: bool,
    pub(super) rank: u8,
}

/// A column of words.
pub(super) const fn words(name: &'static str, rank: u8) -> Column {
    Column { name, right: false, rank }
}

/// A column of figures.
pub(super) const fn figures(name: &'static str, rank: u8) -> Column {
    Column { name, right: true, rank }
}

/// Columns under headings, two spaces apart.
#[derive(Debug)]
pub(super) struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row, one cell a column.
    pub(super) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// The lines, headings first; columns that do not fit are left out, those of the greatest rank first.
    pub(super) fn lines(&self, width: usize) -> Vec<Line> {
        let widths: Vec<usize> = (0..self.columns.len()).map(|i| self.wide(i)).collect();
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        while shown.iter().map(|i| widths[*i] + 2).sum::<usize>() > width + 2 {
            let Some(last) =
                shown.iter().copied().filter(|i| self.columns[*i].rank > 0).max_by_key(|i| self.columns[*i].rank)
            else {
                break;
            };
            shown.retain(|i| *i != last);
        }
        let heading: Vec<Cell> = self.columns.iter().map(|c| Cell(c.name.to_owned(), Tone::Faint)).collect();
        std::iter::once(&heading).chain(&self.rows).map(|row| self.line(row, &shown, &widths)).collect()
    }

    fn line(&self, row: &[Cell], shown: &[usize], widths: &[usize]) -> Line {
        let mut line = Line::new();
        for (n, i) in shown.iter().enumerate() {
            let Some(Cell(text, tone)) = row.get(*i) else { continue };
            let space = widths[*i] - text.chars().count();
            let right = self.columns[*i].right;
            let before = if right { space } else { 0 } + if n > 0 { 2 } else { 0 };
            let last = n + 1 == shown.len();
            let after = if right || last { 0 } else { space };
            line.push((" ".repeat(before), Tone::Plain));
            line.push((text.clone(), *tone));
            line.push((" ".repeat(after), Tone::Plain));
        }
        line.retain(|(text, _)| !text.is_empty());
        line
    }

    fn wide(&self, i: usize) -> usize {
        let cells = self.rows.iter().filter_map(|r| r.get(i)).map(|c| c.0.chars().count());
        cells.chain([self.columns[i].name.chars().count()]).max().unwrap_or(0)
    }
}

/// A line without its tones.
#[cfg(test)]
pub(super) fn plain(line: &Line) -> String {
    line.iter().map(|(text, _)| text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_the_greatest_rank_go_first() {
        let mut grid = Grid::new([words("step", 0), words("kind", 2), figures("in", 0), figures("late", 1)]);
        grid.row(["naïve".into(), "filter".into(), "10,000".into(), Cell("7".into(), Tone::Warn)]);
        let at = |width| grid.lines(width).iter().map(plain).collect::<Vec<_>>();
        assert_eq!(at(80), ["step   kind        in  late", "naïve  filter  10,000     7"]);
        assert_eq!(at(26), ["step       in  late", "naïve  10,000     7"]);
        assert_eq!(at(5), ["step       in", "naïve  10,000"]);
    }
}
