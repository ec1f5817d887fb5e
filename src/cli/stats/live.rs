//! The live screen of `stats --follow`: one pipeline at a time, with its rate over the last minutes.
//!
//! It owns the terminal while it runs, and restores it when it ends, fails or panics. Keys and samples change a
//! [`Screen`]; drawing reads it.

use super::sampler::{SAMPLE_INTERVAL, StatsSampler};
use super::text;
use crate::cli::context::CliContext;
use crate::cli::figures::{count, rate};
use crate::cli::table::{StyledLine, Tone};
use crate::metrics::Snapshot;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How often keys and shutdown requests are checked.
const KEY_POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// The number of rates that are kept for each pipeline; screens are narrower.
const MAX_RATES: usize = 300;

/// Restores the terminal when dropped.
struct TerminalGuard;

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows samples until `q` or an interrupt.
pub(super) fn show(sampler: &mut StatsSampler, context: &CliContext) -> anyhow::Result<()> {
    let shutdown = context.shutdown();
    // The first sample comes before the screen, so that its errors are printed as usual.
    let mut screen = Screen::default();
    screen.set_samples(sampler.sample(context.printer())?);
    let mut sampled = Instant::now();
    let _guard = TerminalGuard;
    let mut terminal = ratatui::try_init()?;
    while !screen.done && !shutdown.is_requested() {
        terminal.draw(|frame| screen.draw(frame))?;
        if event::poll(KEY_POLL_TIMEOUT)?
            && let Event::Key(key) = event::read()?
        {
            screen.on_key(key);
        }
        if sampled.elapsed() >= SAMPLE_INTERVAL {
            sampled = Instant::now();
            screen.set_samples(sampler.sample(context.printer())?);
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Screen {
    pipelines: Vec<Snapshot>,
    rates: BTreeMap<String, VecDeque<f64>>,
    selected: usize,
    scroll: usize,
    done: bool,
}

impl Screen {
    fn set_samples(&mut self, found: Vec<Snapshot>) {
        let name = self.pipelines.get(self.selected).map(|s| s.pipeline.clone());
        for snapshot in &found {
            let Some(rate) = snapshot.rate else { continue };
            let rates = self.rates.entry(snapshot.pipeline.clone()).or_default();
            rates.push_back(rate);
            if rates.len() > MAX_RATES {
                rates.pop_front();
            }
        }
        self.selected = found.iter().position(|s| Some(&s.pipeline) == name.as_ref()).unwrap_or(0);
        self.pipelines = found;
    }

    fn on_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        let pipelines = self.pipelines.len().max(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => self.done = true,
            KeyCode::Char('q') | KeyCode::Esc => self.done = true,
            KeyCode::Tab | KeyCode::Right => self.select((self.selected + 1) % pipelines),
            KeyCode::BackTab | KeyCode::Left => self.select((self.selected + pipelines - 1) % pipelines),
            KeyCode::Down => self.scroll += 1,
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll += 10,
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(10),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
    }

    fn select(&mut self, pipeline: usize) {
        (self.selected, self.scroll) = (pipeline, 0);
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let areas =
            Layout::vertical([Constraint::Length(1), Constraint::Length(3), Constraint::Min(1), Constraint::Length(1)]);
        let [top, graph, body, bottom] = areas.areas(frame.area());
        let Some(snapshot) = self.pipelines.get(self.selected) else {
            let text = "no pipeline has run here yet\n\nstart one in another terminal: fastdata run PIPELINE";
            frame.render_widget(Paragraph::new(text), body);
            return self.draw_keys(frame, bottom, 0);
        };
        frame.render_widget(to_line(&text::heading(snapshot)), top);
        self.draw_rate(frame, graph, snapshot);
        // The body starts with an empty line, which the graph replaces.
        let lines: Vec<Line<'static>> =
            text::body(snapshot, usize::from(body.width), false).iter().skip(1).map(to_line).collect();
        let hidden = lines.len().saturating_sub(usize::from(body.height));
        self.scroll = self.scroll.min(hidden);
        let below = hidden - self.scroll;
        let rest: Vec<Line<'static>> = lines.into_iter().skip(self.scroll).collect();
        frame.render_widget(Paragraph::new(rest), body);
        self.draw_keys(frame, bottom, below);
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are not negative, and the cast saturates"
    )]
    fn draw_rate(&self, frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
        let history = self.rates.get(&snapshot.pipeline);
        let rates: Vec<u64> = history.into_iter().flatten().map(|r| r.round() as u64).collect();
        let max = rates.iter().max().copied().unwrap_or(0);
        // The remainder stays visible while the ledger is scrolled out of view.
        let title = format!("read {}/s, maximum {}/s   ledger ", rate(snapshot.rate), count(max));
        let title = vec![(title, Tone::Faint), text::remainder(snapshot)];
        let [label, bars] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
        frame.render_widget(to_line(&title), label);
        let newest = rates.len().saturating_sub(usize::from(bars.width));
        let bar = Sparkline::default().data(rates[newest..].iter().copied()).max(max.max(1));
        frame.render_widget(bar.style(Style::new().fg(Color::Cyan)), bars);
    }

    fn draw_keys(&self, frame: &mut Frame<'_>, area: Rect, below: usize) {
        let mut keys = "q quit".to_owned();
        if self.pipelines.len() > 1 {
            keys.push_str(&format!("   ←/→ pipeline {} of {}", self.selected + 1, self.pipelines.len()));
        }
        if below > 0 || self.scroll > 0 {
            keys.push_str(&format!("   ↑/↓ scroll, {below} more below"));
        }
        frame.render_widget(Span::styled(keys, Style::new().add_modifier(Modifier::REVERSED)), area);
    }
}

fn to_line(line: &StyledLine) -> Line<'static> {
    line.iter().map(|(text, tone)| Span::styled(text.clone(), style_of(*tone))).collect()
}

fn style_of(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Heading => Style::new().add_modifier(Modifier::BOLD),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Warning => Style::new().fg(Color::Yellow),
        Tone::Alarm => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::{PipelineInfo, Reports, SourceInfo, StepInfo};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn snapshot(name: &str, steps: usize) -> Snapshot {
        let step = |i| StepInfo { name: format!("step-{i}"), kind: "filter".into(), from: Vec::new() };
        let info = PipelineInfo {
            name: name.into(),
            sources: vec![SourceInfo { name: "raw".into(), topic: "raw".into() }],
            steps: (0..steps).map(step).collect(),
            ..PipelineInfo::default()
        };
        Snapshot::of(name, &Reports { info: Some((info, 0)), ..Reports::default() }, &BTreeMap::new(), 500)
    }

    fn drawn(screen: &mut Screen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    fn press(screen: &mut Screen, code: KeyCode) {
        screen.on_key(KeyEvent::new(code, KeyModifiers::NONE));
    }

    #[test]
    fn a_small_terminal_shows_the_ledger_and_the_keys() {
        let mut screen = Screen::default();
        screen.set_samples(vec![snapshot("wine", 6)]);
        let text = drawn(&mut screen);
        for part in ["wine  running", "step-5", "remainder 0", "q quit"] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
    }

    #[test]
    fn scrolling_ends_at_the_last_line() {
        let mut screen = Screen::default();
        screen.set_samples(vec![snapshot("wine", 40)]);
        assert!(!drawn(&mut screen).contains("= 0 written"));
        (0..100).for_each(|_| press(&mut screen, KeyCode::PageDown));
        let text = drawn(&mut screen);
        assert!(text.contains("= 0 written") && text.contains("0 more below"), "{text}");
        press(&mut screen, KeyCode::Up);
        assert!(drawn(&mut screen).contains("1 more below"));
    }

    #[test]
    fn a_pipeline_stays_selected_while_others_come_and_go() {
        let mut screen = Screen::default();
        screen.set_samples(vec![snapshot("b", 1), snapshot("c", 1)]);
        press(&mut screen, KeyCode::Tab);
        screen.set_samples(vec![snapshot("a", 1), snapshot("b", 1), snapshot("c", 1)]);
        assert!(drawn(&mut screen).contains("c  running"));
        press(&mut screen, KeyCode::Tab);
        assert!(drawn(&mut screen).contains("a  running"));
        screen.set_samples(Vec::new());
        assert!(drawn(&mut screen).contains("no pipeline has run here yet"));
    }

    #[test]
    fn q_ends_the_screen() {
        let mut screen = Screen::default();
        press(&mut screen, KeyCode::Char('x'));
        assert!(!screen.done);
        press(&mut screen, KeyCode::Char('q'));
        assert!(screen.done);
    }
}
