//! One client on a server's standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tokio::task::spawn_blocking;
use tokio::time::{Duration, Instant, timeout};

use crate::client::{Examiner, Question, Template, initialize};
use crate::load::{Pace, Sample, Seen, Window, cpu_within, sample};
use crate::process::OwnedChild;

/// How much longer than planned a measurement may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets one client ask `question` for a while.
pub(crate) async fn run(
    mut command: Command,
    question: &Question,
    pace: Pace,
) -> anyhow::Result<Sample> {
    let log = tempfile::tempfile()?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = OwnedChild(command.stderr(log).spawn()?);
    let input = child.0.stdin.take().context("no standard input")?;
    let output = child.0.stdout.take().context("no standard output")?;
    let process = child.0.id();
    let question = question.clone();
    // The upstream needs this thread, so the client has one of its own.
    let (ready, opened) = tokio::sync::oneshot::channel();
    let asking = spawn_blocking(move || {
        let mut pipe = Pipe {
            input,
            output: BufReader::new(output),
            line: Vec::new(),
        };
        pipe.handshake()?;
        let window = Window::from_now(pace);
        let _gone = ready.send(window);
        pipe.ask_until_the_end(&question, window)
    });
    let measured = async {
        let window = opened.await.context("the server does not answer")?;
        cpu_within(process, window).await
    };
    let cpu = timeout(pace.warm_up + pace.measured + PATIENCE, measured).await;
    let seen = timeout(PATIENCE, asking).await;
    // Without it a thread that waits for an answer would wait for ever.
    drop(child);
    let seen = seen.context("no answer in time")???;
    sample(vec![seen], cpu.context("no answer in time")??, pace)
}

struct Pipe<I, O> {
    input: I,
    output: O,
    line: Vec<u8>,
}

impl<I: Write, O: BufRead> Pipe<I, O> {
    fn handshake(&mut self) -> anyhow::Result<()> {
        let hello = initialize("2025-06-18") + "\n";
        self.exchange(hello.as_bytes())?;
        let done = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        writeln!(self.input, "{done}")?;
        Ok(())
    }

    fn ask_until_the_end(&mut self, question: &Question, window: Window) -> anyhow::Result<Seen> {
        let mut template = Template::new(question.message() + "\n")?;
        let mut examiner = Examiner::new(question);
        let mut seen = Seen::default();
        while Instant::now() < window.end {
            let asked = Instant::now();
            let answer = self.exchange(template.next());
            let answer = answer.and_then(|()| examiner.check(&template, &self.line));
            let broken = answer.is_err();
            seen.note(window, asked, answer);
            if broken {
                break;
            }
        }
        Ok(seen)
    }

    /// Sends a line and reads one.
    fn exchange(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.input.write_all(message)?;
        self.input.flush()?;
        self.line.clear();
        let read = self.output.read_until(b'\n', &mut self.line)?;
        ensure!(read > 0, "the server closed its output");
        Ok(())
    }
}
