//! A page of the manual for section 7 of `man`.

use super::Subject;
use super::blocks::{DocBlock, InlineText, blocks, inline};

/// The page of a subject.
pub(in crate::cli) fn page(subject: &Subject) -> String {
    let (name, version) = (format!("fastdata-{}", subject.name), env!("CARGO_PKG_VERSION"));
    let mut out = format!(
        ".TH \"{}\" \"7\" \"\" \"fastdata {version}\" \"fastdata manual\"\n.SH NAME\n{} \\- {}\n",
        escape(&name.to_uppercase()),
        escape(&name),
        escape(subject.title())
    );
    let mut body = blocks(subject.text);
    body.remove(0);
    if !matches!(body.first(), Some(DocBlock::Heading { .. })) {
        out.push_str(".SH DESCRIPTION\n");
    }
    body.iter().for_each(|block| push(&mut out, block));
    out.push_str(".SH \"SEE ALSO\"\n\\fBfastdata\\fR(1)\n");
    out
}

fn push(out: &mut String, block: &DocBlock) {
    match block {
        DocBlock::Heading { level, text } => {
            let text = text.replace(['`', '"'], "");
            out.push_str(&if *level <= 2 {
                format!(".SH \"{}\"\n", escape(&text.to_uppercase()))
            } else {
                format!(".SS \"{}\"\n", escape(&text))
            });
        }
        DocBlock::Paragraph(text) => out.push_str(&format!(".PP\n{}\n", line(text))),
        DocBlock::Item { marker, text } => {
            let marker = if marker == "-" { "\\(bu".to_owned() } else { escape(marker) };
            out.push_str(&format!(".IP {marker} 3\n{}\n", line(text)));
        }
        DocBlock::Table(rows) => table(out, rows),
        DocBlock::Code(lines) => {
            out.push_str(".PP\n.RS 4\n.nf\n");
            lines.iter().for_each(|line| out.push_str(&format!("{}\n", escape(line))));
            out.push_str(".fi\n.RE\n");
        }
    }
}

/// The first cell of each row above the others, which bear their headings where there are several.
fn table(out: &mut String, rows: &[Vec<String>]) {
    let headings = rows.first().map_or(&[][..], Vec::as_slice);
    for row in rows.iter().skip(1) {
        let Some((term, cells)) = row.split_first() else { continue };
        out.push_str(&format!(".TP\n{}\n", line(term)));
        let cells = cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
        let shown = cells.map(|(i, cell)| match headings.get(i + 1) {
            Some(heading) if row.len() > 2 && !heading.is_empty() => format!("{}: {}", line(heading), line(cell)),
            _ => line(cell),
        });
        out.push_str(&shown.collect::<Vec<_>>().join("\n.br\n"));
        out.push('\n');
    }
}

fn line(text: &str) -> String {
    let pieces = inline(text).into_iter().map(|piece| match piece {
        InlineText::Plain(text) => escape_within(&text),
        InlineText::Code(text) | InlineText::Strong(text) => format!("\\fB{}\\fR", escape_within(&text)),
    });
    guarded(pieces.collect())
}

/// A line in which nothing is an instruction of the typesetter.
pub(in crate::cli) fn escape(text: &str) -> String {
    guarded(escape_within(text))
}

fn escape_within(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga")
}

/// A point at the beginning of a line would begin an instruction.
fn guarded(line: String) -> String {
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_requests_of_the_typesetter() {
        let text =
            "# A title\n\nOne `x-y`.\n\n## More\n\n- item\n\n| a | b |\n| --- | --- |\n| `k` | v |\n\n```sh\n.x\n```\n";
        let page = page(&Subject { name: "s", text });
        let expected = ".SH NAME\nfastdata\\-s \\- A title\n.SH DESCRIPTION\n.PP\nOne \\fBx\\-y\\fR.\n.SH \"MORE\"\n.IP \\(bu 3\nitem\n.TP\n\\fBk\\fR\nv\n.PP\n.RS 4\n.nf\n\\&.x\n.fi\n.RE\n.SH \"SEE ALSO\"\n\\fBfastdata\\fR(1)\n";
        assert!(page.ends_with(expected), "{page}");
    }
}
