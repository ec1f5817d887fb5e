//! A page of the manual as text for a terminal of some width; with emphasis, or without for a pipe.

use super::blocks::{DocBlock, InlineText, blocks, inline};
use crate::diagnostics::width;
use anstyle::{AnsiColor, Style};

const BOLD: Style = Style::new().bold();
const CODE: Style = AnsiColor::Cyan.on_default();

/// How lines are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageStyle {
    pub(super) width: usize,
    pub(super) colored: bool,
}

/// A word, and what it is part of.
struct Word {
    text: String,
    style: Option<Style>,
}

impl PageStyle {
    pub(super) fn render(self, page: &str) -> String {
        let mut out = String::new();
        let mut in_list = false;
        for block in blocks(page) {
            let is_item = matches!(block, DocBlock::Item { .. });
            let goes_on = in_list && is_item;
            if !out.is_empty() && !goes_on {
                out.push('\n');
            }
            in_list = is_item;
            match block {
                DocBlock::Heading { level, text } => {
                    let text = if level == 1 { text.to_uppercase() } else { text };
                    out.push_str(&format!("{}\n", self.painted(&text.replace('`', ""), Some(BOLD))));
                }
                DocBlock::Paragraph(text) => self.wrap(&mut out, &text, "", ""),
                DocBlock::Item { marker, text } => {
                    let lead = format!("{marker} ");
                    self.wrap(&mut out, &text, &lead, &" ".repeat(lead.len()));
                }
                DocBlock::Table(rows) => self.table(&mut out, &rows),
                DocBlock::Code(lines) => lines.iter().for_each(|line| {
                    out.push_str(&if line.is_empty() { "\n".into() } else { format!("    {line}\n") });
                }),
            }
        }
        out
    }

    fn painted(self, text: &str, style: Option<Style>) -> String {
        match style.filter(|_| self.colored) {
            Some(style) => format!("{style}{text}{style:#}"),
            None => text.to_owned(),
        }
    }

    /// Code has its backticks where no colour shows what it is.
    fn words(self, text: &str) -> Vec<Word> {
        let mut words: Vec<Word> = Vec::new();
        let mut glue = false;
        for piece in inline(text) {
            let (text, style) = match piece {
                InlineText::Plain(text) => (text, None),
                InlineText::Strong(text) => (text, Some(BOLD)),
                InlineText::Code(code) if self.colored => (code, Some(CODE)),
                InlineText::Code(code) => (format!("`{code}`"), None),
            };
            for (i, part) in text.split(' ').enumerate() {
                glue &= i == 0;
                if part.is_empty() {
                    continue;
                }
                let painted = self.painted(part, style);
                match words.last_mut().filter(|_| glue) {
                    // Nothing separates it from the piece before.
                    Some(last) => last.text.push_str(&painted),
                    None => words.push(Word { text: painted, style: None }),
                }
            }
            glue = !text.ends_with(' ');
        }
        words
    }

    /// Writes a text in lines, the first after `lead` and the others after `indent`.
    fn wrap(self, out: &mut String, text: &str, lead: &str, indent: &str) {
        let (mut line, mut used, mut empty) = (lead.to_owned(), width(lead), true);
        for word in self.words(text) {
            let wide = visible_width(&word.text);
            if !empty && used + 1 + wide > self.width {
                out.push_str(line.trim_end());
                out.push('\n');
                (line, used, empty) = (indent.to_owned(), width(indent), true);
            }
            if !empty {
                line.push(' ');
                used += 1;
            }
            line.push_str(&self.painted(&word.text, word.style));
            used += wide;
            empty = false;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }

    /// In columns where they fit, else the first cell above the others.
    fn table(self, out: &mut String, rows: &[Vec<String>]) {
        let shown: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| self.cell(cell)).collect()).collect();
        let columns = shown.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |i: usize| shown.iter().filter_map(|r| r.get(i)).map(|c| visible_width(c)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        if widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) <= self.width {
            for (n, row) in shown.iter().enumerate().filter(|(_, row)| row.iter().any(|cell| !cell.is_empty())) {
                let mut line = String::new();
                for (i, cell) in row.iter().enumerate() {
                    let pad = widths[i] - visible_width(cell) + 2;
                    line.push_str(&if n == 0 { self.painted(cell, Some(BOLD)) } else { cell.clone() });
                    line.push_str(&" ".repeat(pad));
                }
                out.push_str(line.trim_end());
                out.push('\n');
            }
            return;
        }
        let headings = rows.first().map_or(&[][..], Vec::as_slice);
        for (n, row) in rows.iter().skip(1).enumerate() {
            if n > 0 {
                out.push('\n');
            }
            let Some((term, cells)) = row.split_first() else { continue };
            self.wrap(out, term, "", "");
            for (i, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                let heading = headings.get(i + 1).filter(|h| !h.is_empty() && cells.len() > 1);
                let text = heading.map_or_else(|| cell.clone(), |heading| format!("{heading}: {cell}"));
                self.wrap(out, &text, "    ", "    ");
            }
        }
    }

    fn cell(self, text: &str) -> String {
        self.words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
    }
}

/// The width of a text without its escape sequences.
fn visible_width(text: &str) -> usize {
    width(&anstream::adapter::strip_str(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page\n\nSome words with `code` and\na link to [sql](sql.md).\n\n- one\n- two words\n\n| a | b |\n| --- | --- |\n| `x` | y |\n\n```sh\nls\n```\n";

    #[test]
    fn a_page_is_wrapped_and_plain_in_a_pipe() {
        let text = PageStyle { width: 30, colored: false }.render(PAGE);
        let expected = "\
A PAGE

Some words with `code` and a
link to sql (fastdata explain
sql).

- one
- two words

a    b
`x`  y

    ls
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_table_that_is_too_wide_is_a_list() {
        let table = "| name | takes | does |\n| --- | --- | --- |\n| `a` | 1 | something long |\n| `b` | | less |\n";
        let text = PageStyle { width: 20, colored: false }.render(table);
        assert_eq!(text, "`a`\n    takes: 1\n    does: something\n    long\n\n`b`\n    does: less\n");
    }

    #[test]
    fn emphasis_takes_no_width() {
        let text = PageStyle { width: 30, colored: true }.render(PAGE);
        let stripped = anstream::adapter::strip_str(&text).to_string();
        assert!(text != stripped && stripped.lines().all(|line| width(line) <= 30), "{stripped}");
        assert!(stripped.contains("Some words with code and a\n"), "{stripped}");
    }
}
