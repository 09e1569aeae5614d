//! The program is killed at any moment, again and again: what it had verified is not fetched again, and the finished file
//! is right. `FDSP_KILLS=1000` for a long campaign.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Folder, Gate, MIB, PATIENCE, Served, content};

/// Numbers that are the same in each run.
struct Dice(blake3::OutputReader);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    fn below(&mut self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % limit as u64) as usize
    }
}

/// The program, fetching `path` into the folder.
fn program(folder: &Folder, gate: &Gate, path: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tui"))
        .args(["--json", "--no-sync", "--retries", "0", "-d", "."])
        .arg(format!("fdsp+plain://{}/{path}", gate.at()))
        .current_dir(folder.folder.path())
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until so much has passed, or the program has ended.
fn wait_for(gate: &Gate, pass: usize, child: &mut Child) {
    let begun = Instant::now();
    while gate.passed() < pass && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "{} of {pass} bytes", gate.passed());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Kills it `kills` times, and lets it end.
fn campaign(served: &Served, path: &str, name: &str, size: usize, kills: usize, seed: u64) -> Vec<u8> {
    let folder = Folder::new();
    let mut dice = Dice::new(seed);
    let (mut listed, mut fetched) = (0, 0);
    for attempt in 0..kills {
        println!("{name} of {size} bytes, seed {seed}: kill {attempt}, {listed} blocks are there");
        let blocks_left = size.div_ceil(MIB) - listed;
        let pass = 1 + dice.below((blocks_left.min(2) * MIB).max(MIB / 2));
        let gate = Gate::start(served.at(), pass);
        let mut child = program(&folder, &gate, path);
        wait_for(&gate, pass, &mut child);
        let settled = attempt % 2 == 0;
        // All that passed was received: frames and greetings take little of it.
        let expected = listed + pass.saturating_sub(8000) / (MIB + 1000);
        let begun = Instant::now();
        while settled && child.try_wait().unwrap().is_none() && folder.listed(name) < expected {
            assert!(
                begun.elapsed() < PATIENCE,
                "attempt {attempt}: {} of {expected} blocks",
                folder.listed(name)
            );
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if folder.path(name).exists() {
            // It came to its end before it was killed.
            return std::fs::read(folder.path(name)).unwrap();
        }
        let now = folder.listed(name);
        assert!(now >= listed, "attempt {attempt}: {listed} blocks were verified, {now} are left");
        if settled {
            let lost = gate.passed().saturating_sub((now - listed) * MIB);
            assert!(lost <= 2 * MIB, "attempt {attempt}: {lost} bytes are lost");
        }
        fetched += (now - listed) * MIB;
        listed = now;
    }
    let gate = Gate::start(served.at(), usize::MAX);
    let output = program(&folder, &gate, path).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let done = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let done = done.into_iter().find(|event| event["event"] == "done").unwrap_or_else(|| panic!("{text}"));
    let transferred = done["transferred"].as_u64().unwrap() as usize;
    let least = (listed * MIB).min(size);
    assert!(transferred <= size + MIB - least, "{transferred} of {size}, {listed} blocks were there");
    assert!(transferred + fetched <= size + 2 * MIB, "{transferred} + {fetched} of {size}");
    assert_eq!(done["bytes"].as_u64().unwrap() as usize, size);
    assert_eq!(folder.names(), [name]);
    std::fs::read(folder.path(name)).unwrap()
}

/// Seeds of the campaigns: a campaign kills nine times.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let all = std::env::var("FDSP_KILLS").ok().and_then(|text| text.parse::<u64>().ok());
    0..all.map_or(default, |all| all.div_ceil(4 * 9))
}

#[test]
fn a_file_survives_kills() {
    let served = Served::new();
    for seed in seeds(1) {
        for size in [5, 3 * MIB, 9 * MIB + 77] {
            let bytes = content(size, seed);
            served.write("a.bin", &bytes);
            let found = campaign(&served, "a.bin", "a.bin", size, 9, seed);
            assert!(found == bytes, "{size}");
        }
    }
}

#[test]
fn an_archive_survives_kills() {
    let served = Served::new();
    served.write("d/noise.jpg", &content(2 * MIB + 5, 1));
    served.write("d/sub/more.bin", &content(3 * MIB, 2));
    served.write("d/text", &b"all work and no play ".repeat(100_000));
    let whole = Folder::new().fetch(served.at(), "d").unwrap();
    let size = whole.bytes as usize;
    for seed in seeds(1) {
        let bytes = campaign(&served, "d", "d.zip", size, 9, seed);
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), whole.blake3, "{seed}");
    }
}
