//! What a command costs beyond what Kasm itself takes for it, over both channels.
//!
//! The server runs as a process of its own in front of the emulator, whose processes are real.
//! Between the calls the emulator is asked directly for what a call cannot do without: one dispatch
//! and, over the channel `downloads`, one file. `benches/run` measures what is shipped.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use kasm_emulator::Emulator;
use serde_json::{Value, json};

/// Calls before those that count: the server learns how long short commands take on a session.
const WARM_UP: usize = 8;
/// What a command may cost over dispatch and file, in milliseconds.
const TARGET_MS: f64 = 60.0;
/// How long a server or a session may take to be there.
const START_MAX: Duration = Duration::from_secs(10);
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const TOKEN: &str = "benchmark-token-of-some-length";
/// A file that is as large as what `true` leaves.
const PROBE: (&str, &[u8]) = ("probe", &[b'x'; 128]);

/// Measures what a command costs.
#[derive(Parser)]
struct Options {
    /// How many calls to measure on each channel.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..))]
    calls: u16,
    /// The server to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_kasm-mcp"))]
    server: PathBuf,
    /// Given by `cargo bench`. Without it (`cargo test --all-targets`) there is nothing to do.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.bench {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut lines = Vec::new();
        for channel in [Channel::Downloads, Channel::Relay] {
            let bench = Bench::start(&options.server, channel).await?;
            lines.push(
                bench
                    .measure(usize::from(options.calls))
                    .await?
                    .line(channel),
            );
        }
        println!("{}{}", heading(options.calls), lines.concat());
        Ok(())
    })
}

/// How output comes out of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Downloads,
    Relay,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Downloads => "downloads",
            Self::Relay => "relay",
        }
    }
}

/// A server in front of an emulator with one session.
struct Bench {
    channel: Channel,
    emulator: Emulator,
    http: reqwest::Client,
    server: Server,
    kasm_id: String,
    cookies: String,
}

impl Bench {
    async fn start(program: &Path, channel: Channel) -> anyhow::Result<Self> {
        let emulator = Emulator::builder()
            .start_time(Duration::ZERO)
            .unconfined(!kasm_emulator::confinement_works())
            .profile(|profile| profile.downloads_allowed = channel == Channel::Downloads)
            .start()
            .await?;
        let server = Server::start(program, &emulator, channel)?;
        let mut bench = Self {
            channel,
            emulator,
            http: reqwest::Client::builder().timeout(ANSWER_MAX).build()?,
            server,
            kasm_id: String::new(),
            cookies: String::new(),
        };
        let (image, user) = (bench.emulator.image_id(), bench.emulator.user_id());
        let session = json!({ "image_id": image, "user_id": user });
        let session = bench.ask("request_kasm", session).await?;
        let text = |name: &str| {
            session[name]
                .as_str()
                .map(str::to_owned)
                .context("no session")
        };
        let (id, token) = (text("kasm_id")?, text("session_token")?);
        bench.cookies = format!("username=demo@kasm.local; session_token={token}");
        let home = bench.emulator.session_dir(&id).context("no home")?;
        std::fs::write(home.join("Downloads").join(PROBE.0), PROBE.1)?;
        bench.kasm_id = id;
        Ok(bench)
    }

    /// Calls the emulator as Kasm's released API.
    async fn ask(&self, endpoint: &str, mut fields: Value) -> anyhow::Result<Value> {
        let (key, secret) = self.emulator.key();
        fields["api_key"] = key.into();
        fields["api_key_secret"] = secret.into();
        let url = format!("{}/api/public/{endpoint}", self.emulator.url());
        let answer: Value = self
            .http
            .post(url)
            .json(&fields)
            .send()
            .await?
            .json()
            .await?;
        ensure!(answer["error_message"].is_null(), "{endpoint}: {answer}");
        Ok(answer)
    }

    async fn measure(&self, calls: usize) -> anyhow::Result<Times> {
        let mut times = Times::default();
        for call in 0..WARM_UP + calls {
            let round = Round {
                dispatch: timed(self.dispatch()).await?,
                file: match self.channel {
                    Channel::Downloads => timed(self.file()).await?,
                    Channel::Relay => 0.0,
                },
                whole: timed(self.call()).await?,
            };
            if call >= WARM_UP {
                times.0.push(round);
            }
        }
        Ok(times)
    }

    async fn dispatch(&self) -> anyhow::Result<()> {
        let fields = json!({
            "kasm_id": self.kasm_id,
            "user_id": self.emulator.user_id(),
            "exec_config": { "cmd": "true" },
        });
        self.ask("exec_command_kasm", fields).await.map(drop)
    }

    async fn file(&self) -> anyhow::Result<()> {
        let (url, id) = (self.emulator.url(), &self.kasm_id);
        let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
        let url = format!("{url}/desktop/{id}/vnc/Downloads/Downloads/{}", PROBE.0);
        let answer = self.http.get(url).header("cookie", &self.cookies);
        let file = answer.send().await?.error_for_status()?.bytes().await?;
        ensure!(file == PROBE.1, "the file has other content");
        Ok(())
    }

    async fn call(&self) -> anyhow::Result<()> {
        let arguments = json!({ "kasm_id": self.kasm_id, "command": "true" });
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "execute_kasm_command", "arguments": arguments },
        });
        let request = self.http.post(&self.server.url).bearer_auth(TOKEN);
        let answer: Value = request.json(&message).send().await?.json().await?;
        let data = &answer["result"]["structuredContent"]["data"];
        let right = data["exit_code"] == 0 && data["output_channel"] == self.channel.name();
        ensure!(right, "answered {answer}");
        Ok(())
    }
}

/// How long something takes, in milliseconds.
async fn timed(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    work.await?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// The server, which ends with its owner.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: &Path, kasm: &Emulator, channel: Channel) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let own = format!("http://127.0.0.1:{port}");
        let (key, secret) = kasm.key();
        let mut command = Command::new(program);
        // Settings of whoever runs this must not reach the server.
        command.env_clear().arg("serve").stderr(Stdio::null());
        command.envs([
            ("KASM_API_URL", kasm.url()),
            ("KASM_API_KEY", key),
            ("KASM_API_SECRET", secret),
            ("KASM_USER_ID", kasm.user_id()),
            ("MCP_AUTH_TOKEN", TOKEN),
            ("MCP_SERVER_HOST", "127.0.0.1"),
            ("MCP_SERVER_PORT", &port.to_string()),
        ]);
        if channel == Channel::Relay {
            command.env("MCP_PUBLIC_URL", &own);
        }
        let child = command.spawn().context("cannot start the server")?;
        let url = format!("{own}/mcp");
        let server = Self { child, url };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(begun.elapsed() < START_MAX, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// One call, and what the emulator took right before it. In milliseconds.
struct Round {
    dispatch: f64,
    file: f64,
    whole: f64,
}

#[derive(Default)]
struct Times(Vec<Round>);

impl Times {
    fn line(&self, channel: Channel) -> String {
        let both = |pick: fn(&Round) -> f64| {
            let mut all: Vec<f64> = self.0.iter().map(pick).collect();
            all.sort_by(f64::total_cmp);
            let at = |share: usize| all[(all.len() * share).div_ceil(100) - 1];
            format!("{:.1} | {:.1}", at(50), at(95))
        };
        format!(
            "| {} | {} | {} | {} | {} | ≤ {TARGET_MS} |\n",
            channel.name(),
            both(|round| round.whole),
            both(|round| round.dispatch),
            both(|round| round.file),
            both(|round| round.whole - round.dispatch - round.file),
        )
    }
}

fn heading(calls: u16) -> String {
    let place = if kasm_emulator::confinement_works() {
        "inside bubblewrap"
    } else {
        "bare"
    };
    format!(
        "A command that does nothing (`true`), {calls} calls one after the other, {place}. \
         Milliseconds, p50 and p95. Over them: of each call, less the dispatch and the file that \
         were timed right before it.\n\n\
         | Channel | Whole call | p95 | Dispatch | p95 | File | p95 | Over them | p95 | Target |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
}
