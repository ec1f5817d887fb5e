//! The live screen of `stats --follow`: one pipeline at a time, with its rate of the last minutes.
//!
//! Separate because it owns the terminal while it shows: it gives it back when it ends, fails or panics.
//! Keys and samples change a [`Screen`]; drawing only reads it.

use super::collect::Sampler;
use super::format::rate;
use super::grid::{Line, Tone};
use super::{EVERY, text};
use crate::cli::context::Context;
use crate::metrics::Snapshot;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Shown, Span};
use ratatui::widgets::{Paragraph, Sparkline};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How soon keys and the wish to stop are noticed.
const TICK: Duration = Duration::from_millis(100);
/// Rates that are remembered a pipeline: more than a screen is wide.
const HISTORY: usize = 300;

/// Gives the terminal back.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows samples until `q` or an interrupt.
pub(super) fn show(sampler: &mut Sampler, context: &Context) -> anyhow::Result<()> {
    let shutdown = context.shutdown();
    // Before the terminal is taken: a wrong name is said in plain text.
    let mut screen = Screen::default();
    screen.take(sampler.sample(context.printer())?);
    let mut sampled = Instant::now();
    let _restored = Restored;
    let mut terminal = ratatui::try_init()?;
    while !screen.done && !shutdown.requested() {
        terminal.draw(|frame| screen.draw(frame))?;
        if event::poll(TICK)?
            && let Event::Key(key) = event::read()?
        {
            screen.key(key);
        }
        if sampled.elapsed() >= EVERY {
            sampled = Instant::now();
            screen.take(sampler.sample(context.printer())?);
        }
    }
    Ok(())
}

/// What is shown.
#[derive(Debug, Default)]
struct Screen {
    pipelines: Vec<Snapshot>,
    rates: BTreeMap<String, VecDeque<f64>>,
    selected: usize,
    scroll: usize,
    done: bool,
}

impl Screen {
    fn take(&mut self, found: Vec<Snapshot>) {
        let name = self.pipelines.get(self.selected).map(|s| s.pipeline.clone());
        for snapshot in &found {
            let Some(rate) = snapshot.rate else { continue };
            let rates = self.rates.entry(snapshot.pipeline.clone()).or_default();
            rates.push_back(rate);
            if rates.len() > HISTORY {
                rates.pop_front();
            }
        }
        self.selected = found.iter().position(|s| Some(&s.pipeline) == name.as_ref()).unwrap_or(0);
        self.pipelines = found;
    }

    fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        let many = self.pipelines.len().max(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => self.done = true,
            KeyCode::Char('q') | KeyCode::Esc => self.done = true,
            KeyCode::Tab | KeyCode::Right => self.select((self.selected + 1) % many),
            KeyCode::BackTab | KeyCode::Left => self.select((self.selected + many - 1) % many),
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
        frame.render_widget(shown(&text::heading(snapshot)), top);
        self.draw_rate(frame, graph, snapshot);
        // The heading is apart, and so is the empty line that the text begins with.
        let lines: Vec<Shown<'static>> =
            text::body(snapshot, usize::from(body.width), false).iter().skip(1).map(shown).collect();
        let hidden = lines.len().saturating_sub(usize::from(body.height));
        self.scroll = self.scroll.min(hidden);
        let below = hidden - self.scroll;
        let rest: Vec<Shown<'static>> = lines.into_iter().skip(self.scroll).collect();
        frame.render_widget(Paragraph::new(rest), body);
        self.draw_keys(frame, bottom, below);
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are not negative, and saturate")]
    fn draw_rate(&self, frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
        let known = self.rates.get(&snapshot.pipeline);
        let rates: Vec<u64> = known.into_iter().flatten().map(|r| r.round() as u64).collect();
        let most = rates.iter().max().copied().unwrap_or(0);
        // The ledger may be scrolled away; its alarm may not.
        let title = format!("read {}/s, most {}/s   ledger ", rate(snapshot.rate), super::count(most));
        let title = vec![(title, Tone::Faint), text::verdict(snapshot)];
        let [label, bars] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
        frame.render_widget(shown(&title), label);
        let newest = rates.len().saturating_sub(usize::from(bars.width));
        let bar = Sparkline::default().data(rates[newest..].iter().copied()).max(most.max(1));
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

fn shown(line: &Line) -> Shown<'static> {
    line.iter().map(|(text, tone)| Span::styled(text.clone(), painted(*tone))).collect()
}

fn painted(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Warn => Style::new().fg(Color::Yellow),
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
        screen.key(KeyEvent::new(code, KeyModifiers::NONE));
    }

    #[test]
    fn a_small_terminal_shows_the_ledger_and_the_keys() {
        let mut screen = Screen::default();
        screen.take(vec![snapshot("wine", 6)]);
        let text = drawn(&mut screen);
        for part in ["wine  running", "step-5", "remainder 0", "q quit"] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_reached_by_scrolling_and_not_beyond() {
        let mut screen = Screen::default();
        screen.take(vec![snapshot("wine", 40)]);
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
        screen.take(vec![snapshot("b", 1), snapshot("c", 1)]);
        press(&mut screen, KeyCode::Tab);
        screen.take(vec![snapshot("a", 1), snapshot("b", 1), snapshot("c", 1)]);
        assert!(drawn(&mut screen).contains("c  running"));
        press(&mut screen, KeyCode::Tab);
        assert!(drawn(&mut screen).contains("a  running"));
        screen.take(Vec::new());
        assert!(drawn(&mut screen).contains("no pipeline has run here yet"));
    }

    #[test]
    fn q_ends_it() {
        let mut screen = Screen::default();
        press(&mut screen, KeyCode::Char('x'));
        assert!(!screen.done);
        press(&mut screen, KeyCode::Char('q'));
        assert!(screen.done);
    }
}
