//! Client or server is killed at any moment, repeatedly, with all four architectures: every finished file or tree is
//! right, and verified blocks are not fetched again.

use std::{fs, path::Path, thread, time::Duration};

use crate::killed::{
    effort,
    processes::{Client, Server},
    proxy::{Dice, Proxy},
    support::{Folder, MIB, content, until},
};

const ARCHITECTURES: [&str; 4] = ["single", "threads", "select", "async"];
/// The number of all kills, unless the environment sets another one.
const KILLS: usize = 100;
/// The maximum number of bytes that a kill costs each connection.
const LOST: usize = 2 * MIB;
/// The approximate number of bytes before the content of a connection.
const HEAD: usize = 1000;

/// The content to fetch.
struct Subject {
    path: &'static str,
    /// The name of the finished file.
    name: &'static str,
    /// Its bytes.
    size: usize,
    digest: blake3::Hash,
    /// Its share of the kills, in percent.
    share: usize,
    /// The number of its files, if it is a tree.
    files: Option<usize>,
}

impl Subject {
    /// The maximum cost of a kill, in bytes. A file has one connection for each 8 MiB, an archive or a tree has one.
    fn lost(&self) -> usize {
        let is_file = self.path == self.name && self.files.is_none();
        let connections = if is_file { (self.size / (8 * MIB)).clamp(1, 4) } else { 1 };
        connections * LOST
    }

    /// The bytes of frames and greetings of a content over several connections. The entries of a tree are sent on
    /// each connection, and each of its files has frames of its own.
    fn overhead(&self, bytes: usize, connections: usize) -> usize {
        let of_files = self.files.map_or(0, |files| files * HEAD * (connections + 1));
        bytes / 500 + (connections + 1) * 20 * HEAD + of_files
    }
}

/// The figures of a campaign.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    client_kills: usize,
    server_kills: usize,
    /// Kills while content was being received.
    running: usize,
    downloads: usize,
    /// Bytes of the finished files.
    finished: usize,
    /// Bytes that clients received.
    received: usize,
    /// The maximum cost of one kill, in bytes.
    worst: usize,
}

impl Figures {
    fn kills(&self) -> usize {
        self.client_kills + self.server_kills
    }

    fn add(&mut self, other: Figures) {
        self.client_kills += other.client_kills;
        self.server_kills += other.server_kills;
        self.running += other.running;
        self.downloads += other.downloads;
        self.finished += other.finished;
        self.received += other.received;
        self.worst = self.worst.max(other.worst);
    }
}

/// The kills of one subject by one architecture.
struct Campaign<'a> {
    subject: &'a Subject,
    dice: Dice,
    server: Server,
    gate: Proxy,
    folder: Folder,
    figures: Figures,
}

/// A running client.
struct Running {
    client: Client,
    /// Whether the server is killed before it.
    patient: bool,
    /// The forwarded and the kept bytes at its start.
    passed: usize,
    kept: usize,
    /// The number of servers that were killed during its run.
    interrupted: usize,
}

impl<'a> Campaign<'a> {
    fn new(subject: &'a Subject, served: &Folder, arch: &'static str, seed: u64) -> Campaign<'a> {
        let secure = seed % 2 == 1;
        let server = if secure { Server::secure } else { Server::start }(served.folder.path(), arch);
        let gate = Proxy::gate(server.at(), 0);
        let (dice, folder, figures) = (Dice::new(seed), Folder::new(), Figures::default());
        Campaign { subject, dice, server, gate, folder, figures }
    }

    /// Kills this number of times, and then lets the download complete.
    fn run(mut self, kills: usize) -> Figures {
        let mut running = None;
        let mut before = 0;
        // The received bytes of this download, and its kills.
        let (mut received, mut suffered) = (0, 0);
        loop {
            let client = match running.take() {
                Some(client) => client,
                None => self.start(),
            };
            running = if self.figures.kills() < kills {
                self.attempt(client, &mut received)
            } else {
                self.gate.let_pass(usize::MAX);
                self.ended(client, &mut received)
            };
            suffered += self.figures.kills() - before;
            before = self.figures.kills();
            if running.is_some() || !self.folder.path(self.subject.name).exists() {
                continue;
            }
            self.verify();
            let most = self.subject.size
                + self.subject.overhead(self.subject.size, suffered)
                + suffered * self.subject.lost();
            assert!(received <= most, "{self}: {received} bytes were fetched after {suffered} kills");
            self.figures.received += received;
            (received, suffered) = (0, 0);
            if self.figures.kills() >= kills {
                return self.figures;
            }
        }
    }

    fn start(&mut self) -> Running {
        if self.dice.once_in(3) {
            // For the client, the server has moved.
            self.gate = Proxy::gate(self.server.at(), 0);
        }
        let patient = self.dice.once_in(5);
        let (passed, kept) = (self.gate.passed(), self.folder.kept(self.subject.name));
        let address = self.server.through(&self.gate, self.subject.path);
        let form = if self.subject.files.is_some() { "tree" } else { "auto" };
        let (retries, time) = if patient { ("100", "0") } else { ("0", "0.1") };
        let options = ["--retries", retries, "--retry-max-time", time, "--as", form];
        let client = Client::with(&self.folder, &address, &options);
        Running { client, patient, passed, kept, interrupted: 0 }
    }

    /// Waits until some bytes are received, then kills the client or the server; returns the client if it continues.
    fn attempt(&mut self, mut running: Running, received: &mut usize) -> Option<Running> {
        let most = match self.dice.below(8) {
            0 => HEAD,
            1..6 => 3 * MIB,
            _ => 8 * MIB,
        };
        let pass = 1 + self.dice.below(most.min(self.subject.size + HEAD));
        // At an offset, or at a time during the transfer.
        if self.dice.below(5) > 0 {
            let goal = self.gate.passed() + pass;
            self.gate.let_pass(pass);
            until("the bytes", || {
                self.gate.wait(goal, Duration::from_millis(1)) || running.client.has_ended()
            });
        } else {
            self.gate.let_pass(usize::MAX);
            thread::sleep(Duration::from_micros(self.dice.below(20_000) as u64));
        }
        // A client that lost its server after it had received bytes continues by itself, or ends if the server restarted too late.
        if running.interrupted > 0 && running.client.has_ended() {
            return self.ended(running, received);
        }
        // After two interruptions, a client waits for long before it retries.
        if running.interrupted == 2 || self.dice.once_in(2) {
            return self.kill_client(running, received);
        }
        self.kill_server(&mut running);
        Some(running)
    }

    fn kill_client(&mut self, mut running: Running, received: &mut usize) -> Option<Running> {
        let name = self.subject.name;
        if self.dice.once_in(2) {
            // All forwarded bytes are received: few of them are frames and greetings.
            let passed = self.gate.passed() - running.passed;
            let overhead = self.subject.overhead(passed, running.interrupted);
            let lost = (running.interrupted + 1) * self.subject.lost();
            let fetched = passed.saturating_sub(overhead + lost);
            until("the received bytes are kept", || {
                running.client.has_ended() || self.folder.kept(name) >= running.kept + fetched
            });
        }
        if running.client.has_ended() {
            return self.ended(running, received);
        }
        running.client.stop();
        self.gate.let_pass(0);
        let unread = self.gate.unread();
        self.count(&running);
        self.figures.client_kills += 1;
        running.client.kill();
        running.interrupted += 1;
        self.account(&running, unread, received);
        None
    }

    fn kill_server(&mut self, running: &mut Running) {
        self.count(running);
        self.figures.server_kills += 1;
        running.interrupted += 1;
        let same = !self.dice.once_in(3);
        self.server.kill_and_start_again(same);
        self.gate.lead_to(self.server.at());
        // While bytes are held back, the client does not notice that the server is gone.
        self.gate.cut();
    }

    fn count(&mut self, running: &Running) {
        let is_receiving = self.gate.passed() > running.passed + HEAD;
        self.figures.running += usize::from(is_receiving && !self.folder.path(self.subject.name).exists());
    }

    /// Waits for the end of a client that is not killed.
    fn ended(&mut self, mut running: Running, received: &mut usize) -> Option<Running> {
        let (code, said) = running.client.end();
        let may_fail = running.interrupted > 0 && !running.patient;
        assert!(code == 0 || (code == 3 && may_fail), "{self}: exit code {code}:\n{said}");
        self.account(&running, 0, received);
        None
    }

    /// The received bytes of a client, and the cost of its kills.
    fn account(&mut self, running: &Running, unread: usize, received: &mut usize) {
        let fetched = (self.gate.passed() - running.passed).saturating_sub(unread);
        *received += fetched;
        if self.folder.path(self.subject.name).exists() {
            return;
        }
        let now = self.folder.kept(self.subject.name);
        assert!(now >= running.kept, "{self}: {} bytes were verified, {now} are left", running.kept);
        let kept = now - running.kept;
        let lost = fetched.saturating_sub(kept + self.subject.overhead(fetched, running.interrupted));
        self.figures.worst = self.figures.worst.max(lost / running.interrupted.max(1));
        assert!(lost <= self.subject.lost() * running.interrupted, "{self}: {lost} bytes are lost");
    }

    /// Asserts that the finished file is right and that nothing else is left, and deletes it.
    fn verify(&mut self) {
        let path = self.folder.path(self.subject.name);
        let digest = if self.subject.files.is_some() {
            digest(&path)
        } else {
            blake3::hash(&fs::read(&path).unwrap())
        };
        assert!(digest == self.subject.digest, "{self}: another content");
        // A program that is killed after the commit leaves a journal that is not needed.
        let left: Vec<_> =
            self.folder.names().into_iter().filter(|name| *name != self.subject.name).collect();
        let note = if self.subject.files.is_some() { "part" } else { "part.fdsp" };
        assert!(left.is_empty() || left == [format!("{}.{note}", self.subject.name)], "{self}: {left:?}");
        self.folder = Folder::new();
        self.figures.downloads += 1;
        self.figures.finished += self.subject.size;
    }
}

impl std::fmt::Display for Campaign<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}, {:?}", self.subject.path, self.server.arch(), self.figures)
    }
}

/// A digest of everything in a folder, at any depth.
fn digest(folder: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut open = vec![folder.to_owned()];
    while let Some(directory) = open.pop() {
        let mut inside: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        inside.sort();
        for path in inside {
            let shown = path.strip_prefix(folder).unwrap().display().to_string();
            let content = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            hasher.update(format!("{shown} {} ", content.len()).as_bytes()).update(&content);
            open.extend(path.is_dir().then_some(path));
        }
    }
    hasher.finalize()
}

fn subjects(served: &Folder) -> Vec<Subject> {
    let write = |path: &str, bytes: &[u8]| {
        let path = served.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let (small, large) = (content(70_000, 1), content(24 * MIB + 77, 2));
    write("small.bin", &small);
    write("large.bin", &large);
    write("d/noise.jpg", &content(4 * MIB + 5, 1));
    write("d/sub/more.bin", &content(5 * MIB, 2));
    write("d/text", &b"all work and no play ".repeat(100_000));
    for number in 0..200u64 {
        write(&format!("t/{}/{number}", number / 20), &content(4096, 100 + number));
    }
    for number in 0..20u64 {
        write(&format!("t/some/{number}"), &content(100_000, 300 + number));
    }
    write("t/zz-large", &content(3 * MIB, 400));
    let server = Server::start(served.folder.path(), "async");
    let whole = Folder::new();
    let (code, said) = Client::start(&whole, &server.serves("d"), 0).end();
    assert_eq!(code, 0, "{said}");
    let zip = fs::read(whole.path("d.zip")).unwrap();
    let subject = |path, name, bytes: &[u8], share| {
        let (size, digest) = (bytes.len(), blake3::hash(bytes));
        Subject { path, name, size, digest, share, files: None }
    };
    let tree = Subject {
        path: "t",
        name: "t",
        size: 200 * 4096 + 20 * 100_000 + 3 * MIB,
        digest: digest(&served.path("t")),
        share: 30,
        files: Some(221),
    };
    vec![
        subject("small.bin", "small.bin", &small, 10),
        subject("large.bin", "large.bin", &large, 30),
        subject("d", "d.zip", &zip, 30),
        tree,
    ]
}

#[test]
fn killed_clients_and_servers_leave_correct_files_and_fetch_nothing_twice() {
    let kills = effort::number("FDSP_KILLS", KILLS);
    let served = Folder::new();
    let subjects = subjects(&served);
    let mut figures = Figures::default();
    thread::scope(|scope| {
        let campaign = |number: usize, arch: &'static str| {
            let (subjects, served) = (&subjects, &served);
            move || {
                let mut figures = Figures::default();
                for (index, subject) in subjects.iter().enumerate() {
                    // Every second one has TLS.
                    let seed = (number * 101 + index) as u64;
                    let share = (kills * subject.share).div_ceil(100 * ARCHITECTURES.len());
                    let seen = Campaign::new(subject, served, arch, seed).run(share);
                    println!("{arch}, {}: {seen:?}", subject.path);
                    figures.add(seen);
                }
                figures
            }
        };
        let campaigns = ARCHITECTURES.iter().enumerate();
        let threads: Vec<_> = campaigns.map(|(number, arch)| scope.spawn(campaign(number, arch))).collect();
        threads.into_iter().for_each(|thread| figures.add(thread.join().unwrap()));
    });
    println!("all: {} kills, {figures:?}", figures.kills());
    assert!(figures.kills() >= kills);
    assert!(figures.running * 2 >= kills, "too few of the kills met a transfer");
}
