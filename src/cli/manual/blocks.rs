//! The Markdown of the manual as blocks: the part of the language that its pages use.

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DocBlock {
    Heading {
        level: usize,
        text: String,
    },
    Paragraph(String),
    /// An item of a list, with its marker.
    Item {
        marker: String,
        text: String,
    },
    /// Rows of cells; the first row are the headings.
    Table(Vec<Vec<String>>),
    /// Lines that stay as they are.
    Code(Vec<String>),
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InlineText {
    Plain(String),
    Code(String),
    Strong(String),
}

/// Splits a page into blocks. Comments are left out, and the paragraphs that name tests, which are for contributors.
pub(super) fn blocks(page: &str) -> Vec<DocBlock> {
    let mut found: Vec<DocBlock> = Vec::new();
    let mut lines = page.lines().peekable();
    // Whether the next line continues the last block.
    let mut open = false;
    while let Some(line) = lines.next() {
        let text = line.trim();
        let level = text.chars().take_while(|c| *c == '#').count();
        if text.is_empty() || text.starts_with("<!--") {
            open = false;
        } else if text.starts_with("```") {
            let code = lines.by_ref().take_while(|line| line.trim() != "```");
            found.push(DocBlock::Code(code.map(str::to_owned).collect()));
            open = false;
        } else if level > 0 && text[level..].starts_with(' ') {
            found.push(DocBlock::Heading { level, text: text[level..].trim().to_owned() });
            open = false;
        } else if text.starts_with('|') {
            let is_rule = text.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
            match found.last_mut() {
                Some(DocBlock::Table(_)) if open && is_rule => {}
                Some(DocBlock::Table(rows)) if open => rows.push(cells(text)),
                _ => found.push(DocBlock::Table(vec![cells(text)])),
            }
            open = true;
        } else if let Some((marker, text)) = item(text) {
            found.push(DocBlock::Item { marker: marker.to_owned(), text: text.to_owned() });
            open = true;
        } else {
            match found.last_mut() {
                Some(DocBlock::Paragraph(before) | DocBlock::Item { text: before, .. }) if open => {
                    before.push(' ');
                    before.push_str(text);
                }
                _ => found.push(DocBlock::Paragraph(text.to_owned())),
            }
            open = true;
        }
    }
    found.retain(|block| !matches!(block, DocBlock::Paragraph(text) if text.starts_with("Tests: ")));
    found
}

/// The marker of a list item, and the text behind it.
fn item(line: &str) -> Option<(&str, &str)> {
    let (marker, text) = line.split_once(' ')?;
    let number = marker.strip_suffix('.').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    (marker == "-" || number).then(|| (marker, text.trim()))
}

/// The cells of a row. A `\|` is no border, and neither is a bar within code.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|');
    let row = row.strip_suffix('|').unwrap_or(row);
    let (mut cells, mut cell, mut code, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in row.chars() {
        code ^= c == '`';
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '|' if !escaped && !code => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            _ => {
                if escaped && c != '|' {
                    cell.push('\\');
                }
                cell.push(c);
            }
        }
        escaped = false;
    }
    cells.push(cell.trim().to_owned());
    cells
}

/// The pieces of a line. Of a link its text is left; one to another page is followed by how to read that.
pub(super) fn inline(line: &str) -> Vec<InlineText> {
    let (mut found, mut plain, mut rest) = (Vec::new(), String::new(), line);
    while let Some(c) = rest.chars().next() {
        let (piece, after) = if let Some((code, after)) = enclosed(rest, "`", "`") {
            (InlineText::Code(code.to_owned()), after)
        } else if let Some((strong, after)) = enclosed(rest, "**", "**") {
            (InlineText::Strong(strong.to_owned()), after)
        } else if let Some((text, after)) = enclosed(rest, "[", "](")
            && let Some((target, after)) = after.split_once(')')
        {
            plain.push_str(&text.replace('`', ""));
            if let Some(subject) = subject_of(target) {
                plain.push_str(&format!(" (fastdata explain {subject})"));
            }
            rest = after;
            continue;
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        if !plain.is_empty() {
            found.push(InlineText::Plain(std::mem::take(&mut plain)));
        }
        found.push(piece);
        rest = after;
    }
    if !plain.is_empty() {
        found.push(InlineText::Plain(plain));
    }
    found
}

fn enclosed<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(open)?.split_once(close).filter(|(inside, _)| !inside.is_empty())
}

/// The subject that a link leads to, such as `docs/sql.md` or `sql.md#types`.
fn subject_of(target: &str) -> Option<&str> {
    let page = target.split('#').next()?.rsplit('/').next()?;
    let name = page.strip_suffix(".md")?;
    super::SUBJECTS.iter().any(|s| s.name == name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_split_into_its_blocks() {
        let page = "# A b\n\nOne\ntwo.\n\n- first\n  goes on\n- second\n\n| a | b |\n| --- | --- |\n| `x|y` | c\\|d |\n\n<!-- test: x -->\n```sh\nls -l\n\n```\nend\n";
        let text = |s: &str| s.to_owned();
        assert_eq!(
            blocks(page),
            [
                DocBlock::Heading { level: 1, text: text("A b") },
                DocBlock::Paragraph(text("One two.")),
                DocBlock::Item { marker: text("-"), text: text("first goes on") },
                DocBlock::Item { marker: text("-"), text: text("second") },
                DocBlock::Table(vec![vec![text("a"), text("b")], vec![text("`x|y`"), text("c|d")]]),
                DocBlock::Code(vec![text("ls -l"), text("")]),
                DocBlock::Paragraph(text("end")),
            ]
        );
    }

    #[test]
    fn a_line_is_split_into_its_pieces() {
        let found = inline("a `b*c` **d** [sql](docs/sql.md#x), [e](https://f)");
        let expected = [
            InlineText::Plain("a ".into()),
            InlineText::Code("b*c".into()),
            InlineText::Plain(" ".into()),
            InlineText::Strong("d".into()),
            InlineText::Plain(" sql (fastdata explain sql), e".into()),
        ];
        assert_eq!(found, expected);
    }
}
