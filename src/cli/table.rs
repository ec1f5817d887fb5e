//! Tables: columns under headings, as styled text.
//!
//! Listings print a table as plain text; `stats` paints its lines on stdout or on the live screen. On a narrow
//! screen a table leaves out its optional columns.

use crate::diagnostics::{visible_line, width};
use std::fmt;

/// The columns of the terminal.
pub(super) fn terminal_width() -> usize {
    ratatui::crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns))
}

/// The emphasis of a piece of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Heading,
    Faint,
    Good,
    Warning,
    Alarm,
}

/// The pieces of a line, from left to right.
pub(super) type StyledLine = Vec<(String, Tone)>;

/// The text of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableCell(pub(super) String, pub(super) Tone);

impl From<String> for TableCell {
    /// A cell is one line, whatever the text is.
    fn from(text: String) -> Self {
        Self(visible_line(&text), Tone::Plain)
    }
}

impl TableCell {
    /// The same text with another emphasis.
    pub(super) fn toned(self, tone: Tone) -> Self {
        Self(self.0, tone)
    }
}

impl From<&str> for TableCell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// A column. Two spaces separate it from the next one.
#[derive(Clone, Debug)]
pub(super) struct TableColumn {
    heading: String,
    align: Align,
    drop_order: u8,
}

impl TableColumn {
    /// A column of words.
    pub(super) fn left(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Left, drop_order: 0 }
    }

    /// A column of numbers.
    pub(super) fn right(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Right, drop_order: 0 }
    }

    /// Leaves the column out where the table is too wide. The column with the highest order goes first.
    pub(super) fn optional(self, drop_order: u8) -> Self {
        Self { drop_order, ..self }
    }
}

/// Rows under headings.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<TableColumn>,
    rows: Vec<Vec<TableCell>>,
    headings: bool,
}

impl Table {
    pub(super) fn new(columns: impl IntoIterator<Item = TableColumn>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), headings: true }
    }

    /// The same table without its first line.
    pub(super) fn without_headings(self) -> Self {
        Self { headings: false, ..self }
    }

    /// Adds a row with one cell for each column.
    pub(super) fn row<C: Into<TableCell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, at most `columns` wide if it has enough optional columns.
    pub(super) fn lines(&self, columns: usize) -> Vec<StyledLine> {
        let widths: Vec<usize> = (0..self.columns.len()).map(|i| self.column_width(i)).collect();
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        while shown.iter().map(|i| widths[*i] + 2).sum::<usize>() > columns.saturating_add(2) {
            let optional = shown.iter().copied().filter(|i| self.columns[*i].drop_order > 0);
            let Some(next) = optional.max_by_key(|i| self.columns[*i].drop_order) else { break };
            shown.retain(|i| *i != next);
        }
        let headings: Vec<TableCell> = self.columns.iter().map(|c| TableCell(c.heading.clone(), Tone::Faint)).collect();
        let first = self.headings.then_some(&headings);
        first.into_iter().chain(&self.rows).map(|row| self.line(row, &shown, &widths)).collect()
    }

    fn line(&self, row: &[TableCell], shown: &[usize], widths: &[usize]) -> StyledLine {
        let mut line = StyledLine::new();
        let mut spaces = 0;
        for i in shown {
            let Some(TableCell(text, tone)) = row.get(*i) else { continue };
            let padding = widths[*i] - width(text);
            let (before, after) = match self.columns[*i].align {
                Align::Left => (0, padding),
                Align::Right => (padding, 0),
            };
            // Spaces are written only before a text, so that no line ends with them.
            if !text.is_empty() {
                line.push((" ".repeat(spaces + before), Tone::Plain));
                line.push((text.clone(), *tone));
                spaces = after + 2;
            } else {
                spaces += padding + 2;
            }
        }
        line.retain(|(text, _)| !text.is_empty());
        line
    }

    fn column_width(&self, i: usize) -> usize {
        let heading = if self.headings { width(&self.columns[i].heading) } else { 0 };
        let cells = self.rows.iter().filter_map(|r| r.get(i)).map(|c| width(&c.0));
        cells.chain([heading]).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    /// The whole table as plain text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines(usize::MAX).iter().try_for_each(|line| writeln!(f, "{}", plain(line)))
    }
}

/// A line without its tones.
pub(super) fn plain(line: &StyledLine) -> String {
    line.iter().map(|(text, _)| text.as_str()).collect()
}

/// As much of a line as fits into this many columns.
pub(super) fn cut(line: &str, columns: usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let mut kept = String::new();
    for c in line.chars() {
        kept.push(c);
        if width(&kept) >= columns {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_the_terminal_ends() {
        assert_eq!(["", "wine", "wines", "日本語", "日"].map(|line| cut(line, 4)), ["", "wine", "win…", "日…", "日"]);
    }

    #[test]
    fn columns_line_up_without_trailing_spaces() {
        let mut table = Table::new([TableColumn::left("topic"), TableColumn::right("records"), TableColumn::left("")]);
        table.row(["raw", "10000", "x"]);
        table.row(["naïve-topic", "7", ""]);
        table.row(["日本\n", "7", ""]);
        assert_eq!(
            table.to_string(),
            "topic        records\nraw            10000  x\nnaïve-topic        7\n日本␊              7\n"
        );
        assert_eq!(
            table.without_headings().to_string(),
            "raw          10000  x\nnaïve-topic      7\n日本␊            7\n"
        );
    }

    #[test]
    fn the_column_with_the_highest_order_is_dropped_first() {
        let mut table = Table::new([
            TableColumn::left("step"),
            TableColumn::left("kind").optional(2),
            TableColumn::right("in"),
            TableColumn::right("late").optional(1),
        ]);
        table.row(["naïve".into(), "filter".into(), "10,000".into(), TableCell("7".into(), Tone::Warning)]);
        let at = |width| table.lines(width).iter().map(plain).collect::<Vec<_>>();
        assert_eq!(at(80), ["step   kind        in  late", "naïve  filter  10,000     7"]);
        assert_eq!(at(26), ["step       in  late", "naïve  10,000     7"]);
        assert_eq!(at(5), ["step       in", "naïve  10,000"]);
    }
}
