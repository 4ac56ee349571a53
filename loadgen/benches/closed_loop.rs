//! How much of what an HTTP client can do our closed loop does: operations a second beside a bare
//! loop over the same client library, with the same threads, connections and requests, that draws
//! nothing, checks nothing and records nothing but a count.
//!
//! `cargo bench -p telegraft-loadgen --bench closed_loop`
//!
//! Both load one null system, which is a process of its own (this program again), as in a
//! benchmark: inside this one it would share the runtimes' time slices. They take turns, so that
//! whatever else the machine does hits both. Criterion keeps the engine's time for an operation (it
//! is asked for one, and gets the mean of a window); the ratio is printed, and must reach
//! [`LEAST_RATIO`]. On a machine that others use, processor time for an operation tells more.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first surprise"
)]

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, SamplingMode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request, Url};
use telegraft_cluster::http::api::IDEMPOTENCY_HEADER;
use telegraft_cluster::http::{HttpOptions, Null, serve};
use telegraft_cluster::local::cpu_seconds;
use telegraft_loadgen::call::{connections, key};
use telegraft_loadgen::client::Client;
use telegraft_loadgen::engine::{DRAIN, Stop};
use telegraft_loadgen::plan::Share;
use telegraft_loadgen::recorder::Window;
use telegraft_loadgen::results::ResultDir;
use telegraft_loadgen::run::{Place, Run, Scenario};
use telegraft_loadgen::suite::{Overrides, load_workload};
use telegraft_loadgen::world::Checks;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What the engine must reach of the bare loop's operations a second.
const LEAST_RATIO: f64 = 0.75;
/// Sends of 128 bytes by 64 clients.
const WORKLOAD: &str = "send-only";
/// Both connect in it.
const WARMUP: Duration = Duration::from_millis(200);
/// How long each loop runs at a time: tens of thousands of operations.
const WINDOW: Duration = Duration::from_secs(1);
/// Pairs of windows that count; before them comes one that warms up.
const SAMPLES: usize = 15;
/// The argument by which this program is the null system.
const SERVER: &str = "null-server";

/// The null system, until standard input ends.
fn server_main() {
    thread::spawn(|| {
        // It ends, or cannot be read: then the parent is gone, too.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    // One thread, as `telegraft null`.
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        println!("{url}");
        let backend = Arc::new(Null::new(url));
        let never = std::future::pending();
        serve(listener, backend, HttpOptions::default(), never)
            .await
            .unwrap();
    });
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(SERVER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let told = child.stdout.as_mut().expect("it is piped");
        BufReader::new(told).read_line(&mut url).unwrap();
        Server {
            child,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has ended, or will with this process.
        let _ = self.child.wait();
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// As the engine has them.
fn threads(clients: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.min(clients)
}

/// What both loops load.
struct Field {
    server: Server,
    scenario: Scenario,
    results: ResultDir,
    stop: Stop,
}

impl Field {
    fn new(results: ResultDir) -> Self {
        let workload = load_workload(WORKLOAD, &Overrides::default()).unwrap();
        Field {
            server: Server::start(),
            scenario: Scenario::new(workload, 1, None).unwrap(),
            results,
            stop: Stop::default(),
        }
    }

    fn run(&self, duration: Duration) -> Run {
        Run {
            id: "null-0-closed-loop-t1".to_owned(),
            suite: "closed-loop".to_owned(),
            system: "null".to_owned(),
            replicas: 0,
            durability: "-".to_owned(),
            mailbox: "-".to_owned(),
            trial: 1,
            seed: 1,
            warmup: WARMUP,
            duration,
            drain: DRAIN,
            nonce: "0badcafe".to_owned(),
            share: Share::WHOLE,
            checks: Checks::Shape,
        }
    }

    fn place(&self) -> Place<'_> {
        Place {
            urls: std::slice::from_ref(&self.server.url),
            scraped: false,
            results: &self.results,
            stop: &self.stop,
        }
    }

    async fn clients(&self, run: &Run) -> Vec<Client> {
        let place = self.place();
        let set_up = run.set_up(&self.scenario, &place, Instant::now());
        set_up.await.unwrap()
    }

    /// Our closed loop, with everything that it records.
    fn engine(&self) -> Speed {
        let run = self.run(WINDOW);
        let place = self.place();
        let measured = runtime().block_on(async {
            let clients = self.clients(&run).await;
            let start = Instant::now();
            run.load(&self.scenario, &place, clients, start, None, |_, _| {})
                .await
                .unwrap()
        });
        let send = &measured.collected.total[0];
        assert_eq!(send.missed(), 0, "{:?}", send.troubles);
        Speed::new(send.ok, measured.generator_cpu_s)
    }

    /// The bare loop.
    fn bare(&self) -> Speed {
        let run = self.run(WINDOW);
        let clients = runtime().block_on(self.clients(&run));
        let sends = self.sends(&clients);
        let window = run.window(Instant::now());
        let threads = threads(sends.len());
        thread::scope(|scope| {
            let thread = |nth| {
                let own: Vec<Send> = sends.iter().skip(nth).step_by(threads).cloned().collect();
                scope.spawn(move || runtime().block_on(bare_thread(own, window)))
            };
            let running: Vec<_> = (0..threads).map(thread).collect();
            let cpu_at = |moment: Instant| {
                thread::sleep(moment.saturating_duration_since(Instant::now()));
                cpu_seconds(std::process::id()).unwrap()
            };
            let cpu_s = -cpu_at(window.from) + cpu_at(window.to);
            let done = running.into_iter().map(|thread| thread.join().unwrap());
            Speed::new(done.sum(), cpu_s)
        })
    }

    /// What the bare loop's tasks send.
    fn sends(&self, clients: &[Client]) -> Vec<Send> {
        let world = clients[0].world();
        let text = "b".repeat(128);
        let send = |nth: usize| {
            let room = nth % world.rooms.len();
            let members = world.people.members_of(u32::try_from(room).unwrap());
            let author = world.users[members[0] as usize];
            let room_id = world.rooms[room];
            let url = format!("{}/v1/rooms/{room_id}/messages", self.server.url);
            Send {
                url: Url::parse(&url).unwrap(),
                body: format!(r#"{{"author":{author},"body":"{text}"}}"#).into(),
                key: key(nth as u64 + 1, 1),
            }
        };
        (0..clients.len()).map(send).collect()
    }
}

/// What one task of the bare loop sends again and again.
#[derive(Clone)]
struct Send {
    url: Url,
    body: Bytes,
    key: HeaderValue,
}

impl Send {
    fn request(&self) -> Request {
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(IDEMPOTENCY_HEADER, self.key.clone());
        *request.body_mut() = Some(Body::from(self.body.clone()));
        request
    }
}

async fn bare_thread(sends: Vec<Send>, window: Window) -> u64 {
    let http = connections().unwrap();
    let mut tasks = JoinSet::new();
    for send in sends {
        let http = http.clone();
        tasks.spawn(async move {
            let mut count = 0;
            loop {
                let begun = Instant::now();
                if begun >= window.to {
                    return count;
                }
                let answer = http.execute(send.request()).await.unwrap();
                assert!(answer.status().is_success());
                answer.bytes().await.unwrap();
                count += u64::from(window.contains(begun));
            }
        });
    }
    sleep_until(window.to).await;
    tasks.join_all().await.iter().sum()
}

/// What a loop did in a window.
#[derive(Clone, Copy)]
struct Speed {
    /// Operations a second.
    per_s: f64,
    /// Processor time of this process, in microseconds for an operation.
    cpu_us: f64,
}

impl Speed {
    fn new(operations: u64, cpu_s: f64) -> Self {
        Speed {
            per_s: operations as f64 / WINDOW.as_secs_f64(),
            cpu_us: cpu_s * 1e6 / operations as f64,
        }
    }
}

/// Both, in windows that follow each other.
#[derive(Clone, Copy)]
struct Pair {
    bare: Speed,
    engine: Speed,
}

/// The middle one of `values`.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(SERVER) {
        server_main();
        return ExitCode::SUCCESS;
    }
    let directory = tempfile::tempdir().unwrap();
    let results = ResultDir::create_at(&directory.path().join("results")).unwrap();
    let field = Field::new(results);
    let mut pairs: Vec<Pair> = Vec::new();

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("closed-loop");
    group
        .sample_size(SAMPLES)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(WINDOW)
        .measurement_time((WINDOW + WARMUP) * 2 * u32::try_from(SAMPLES).unwrap());
    group.bench_function("engine", |bencher| {
        bencher.iter_custom(|operations| {
            // Neither always goes first.
            let pair = if pairs.len().is_multiple_of(2) {
                let bare = field.bare();
                let engine = field.engine();
                Pair { bare, engine }
            } else {
                let engine = field.engine();
                let bare = field.bare();
                Pair { bare, engine }
            };
            pairs.push(pair);
            Duration::from_secs_f64(operations as f64 / pair.engine.per_s)
        });
    });
    group.finish();

    // Another benchmark may be asked for, or a look whether this one works.
    if pairs.len() < SAMPLES {
        return ExitCode::SUCCESS;
    }
    let counted = &pairs[pairs.len() - SAMPLES..];
    let of = |what: fn(&Pair) -> f64| median(counted.iter().map(what).collect());
    let line = |columns: [f64; 6]| {
        let [bare, engine, ratio, bare_us, engine_us, cpu_ratio] = columns;
        println!(
            "{bare:8.0} {engine:8.0} {ratio:6.2}  {bare_us:8.1} {engine_us:8.1} {cpu_ratio:6.2}"
        );
    };
    let columns: [fn(&Pair) -> f64; 6] = [
        |pair| pair.bare.per_s,
        |pair| pair.engine.per_s,
        |pair| pair.engine.per_s / pair.bare.per_s,
        |pair| pair.bare.cpu_us,
        |pair| pair.engine.cpu_us,
        |pair| pair.bare.cpu_us / pair.engine.cpu_us,
    ];
    println!("   operations a second         µs of processor each");
    println!("    bare   engine  ratio      bare   engine  ratio");
    for pair in counted {
        line(columns.map(|column| column(pair)));
    }
    println!("medians:");
    line(columns.map(of));
    let ratio = of(columns[2]);
    println!("The ratio is {ratio:.2}; {LEAST_RATIO} is required.");
    if ratio < LEAST_RATIO {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
