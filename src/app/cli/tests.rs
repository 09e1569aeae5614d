use std::path::Path;

use super::*;
use crate::{
    app::{
        config::{LogOptions, Options, When},
        headless::Output,
    },
    client::Existing,
    logging::Destination,
    protocol::{classic::Dialect, trust::token::Token},
    server::{Access, Arch, Certificate},
};

fn environment() -> Environment {
    Environment {
        terminal: Terminal::None,
        prints_to_terminal: false,
        directory: "/tmp".into(),
        token: None,
        state: Some("/state".into()),
    }
}

fn typed(line: &str) -> Result<Parsed, UsageError> {
    Cli::read(std::iter::once("tui").chain(line.split_whitespace()).map(OsString::from))
}

fn planned_in(line: &str, environment: &Environment) -> Result<Plan, String> {
    match typed(line).map_err(|error| error.0)? {
        Parsed::Run(cli) => cli.plan(Options::default(), environment).map_err(|error| error.0),
        Parsed::Print(_) => Err("printed".into()),
    }
}

fn planned(line: &str) -> Result<Plan, String> {
    planned_in(line, &environment())
}

fn fetch(line: &str) -> Fetch {
    match planned(line).map(|plan| plan.task) {
        Ok(Task::Fetch(fetch)) => *fetch,
        other => panic!("{line}: {other:?}"),
    }
}

fn serve(line: &str) -> crate::server::Config {
    match planned(line).map(|plan| plan.task) {
        Ok(Task::Serve(serve)) => serve.config,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn addresses_and_paths_become_jobs() {
    let fetch = fetch("-H nas -P 70 a/b fdsp+plain://other/c%20d -d /var --overwrite -j 5 --limit 2M");
    let addresses: Vec<_> = fetch.jobs.iter().map(|job| job.address.to_string()).collect();
    assert_eq!(addresses, ["fdsp://nas:70/a/b", "fdsp+plain://other:7878/c%20d"]);
    assert!(
        fetch.jobs.iter().all(|job| job.folder == Path::new("/var") && job.existing == Existing::Overwrite)
    );
    assert_eq!((fetch.engine.jobs, fetch.engine.limit, fetch.engine.retries), (5, Some(2_000_000), 8));
}

#[test]
fn a_server_without_a_path_is_listed_on_the_screen() {
    let terminal = Environment { terminal: Terminal::Screen, ..environment() };
    let listed = |line: &str| match planned_in(line, &terminal).map(|plan| plan.task) {
        Ok(Task::Fetch(fetch)) => (fetch.listing.map(|address| address.to_string()), fetch.jobs.len()),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(listed("nas:70"), (Some("fdsp://nas:70/".to_owned()), 0));
    assert_eq!(listed("fdsp+plain://nas"), (Some("fdsp+plain://nas:7878/".to_owned()), 0));
    for fetched in ["nas:70/a", "nas:70 nas:71/a", "--as tree nas:70", "nas:70 -l whole", "-H nas -r /"] {
        let (listing, jobs) = listed(fetched);
        assert!(listing.is_none() && jobs > 0, "{fetched}");
    }
    assert_eq!(fetch("nas:70").jobs.len(), 1, "without a screen there is nothing to list it on");
}

#[test]
fn addresses_need_no_scheme() {
    let addresses = |line| {
        let jobs = fetch(line).jobs;
        jobs.iter().map(|job| job.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(addresses("nas:70/a%20b [::1]/c"), ["fdsp://nas:70/a%20b", "fdsp://[::1]:7878/c"]);
    assert_eq!(addresses("--plain nas:70/a"), ["fdsp+plain://nas:70/a"]);
    assert_eq!(addresses("-H nas a:b/c /nas:70/a"), ["fdsp://nas:7878/a:b/c", "fdsp://nas:7878/nas:70/a"]);
}

#[test]
fn the_original_clients_options_work() {
    let fetch = fetch("-H ::1 -P 7878 -r photos -l out/p.zip");
    let [job] = fetch.jobs.as_slice() else { panic!("{fetch:?}") };
    assert_eq!(job.address.to_string(), "fdsp://[::1]:7878/photos");
    assert_eq!(
        (job.folder.as_path(), job.save_as.as_deref()),
        (Path::new("/tmp/out"), Some(Path::new("p.zip")))
    );
}

#[test]
fn a_local_path_can_be_a_folder() {
    for local in ["/usr", "/nowhere/yet/"] {
        let fetch = fetch(&format!("-H h -r a -l {local}"));
        assert_eq!((fetch.jobs[0].folder.as_path(), &fetch.jobs[0].save_as), (Path::new(local), &None));
    }
}

#[test]
fn a_file_of_addresses_becomes_jobs_with_their_options() {
    let place = tempfile::tempdir().expect("a folder");
    let list = place.path().join("list");
    let hex = "d41d8cd98f00b204e9800998ecf8427e";
    let text = format!(
        "# two\nfdsp://nas/a.iso\n  dir=sub/x\n  out=b.iso\n  checksum=md5:{hex}\nfilms/c\n  out=/usr\n"
    );
    std::fs::write(&list, text).expect("written");
    let fetch = fetch(&format!("-H tv typed -d /var -i {}", list.display()));
    let jobs: Vec<_> = fetch
        .jobs
        .iter()
        .map(|job| {
            (
                job.address.to_string(),
                job.folder.display().to_string(),
                job.save_as.clone(),
                job.checksum.clone(),
            )
        })
        .collect();
    let checksum = format!("md5:{hex}").parse().ok();
    let expected = [
        ("fdsp://tv:7878/typed".into(), "/var".into(), None, None),
        ("fdsp://nas:7878/a.iso".into(), "/tmp/sub/x".into(), Some("b.iso".into()), checksum),
        ("fdsp://tv:7878/films/c".into(), "/usr".into(), None, None),
    ];
    assert_eq!(jobs, expected);
}

#[test]
fn patterns_stand_for_several_addresses_with_glob_alone() {
    let all =
        |line: &str| -> Vec<String> { fetch(line).jobs.iter().map(|job| job.address.to_string()).collect() };
    assert_eq!(all("--glob https://h/[1-2].iso"), ["https://h/1.iso", "https://h/2.iso"]);
    assert_eq!(all("https://h/[1-2].iso"), ["https://h/[1-2].iso"]);
    let error = planned("--glob https://h/[1-]").expect_err("no range");
    assert!(error.contains("'[1-]' is not a range"), "{error}");
    let error = planned("--glob -l x https://h/{a,b}").expect_err("two downloads");
    assert!(error.contains("exactly one download, and there are 2"), "{error}");
    let place = tempfile::tempdir().expect("a folder");
    let list = place.path().join("list");
    std::fs::write(&list, "https://h/[1-3]\n  dir=/x\n  header=A: b\nhttps://h/9\n").expect("written");
    let fetch = fetch(&format!("--glob -i {}", list.display()));
    let jobs: Vec<_> =
        fetch.jobs.iter().map(|job| (job.folder.display().to_string(), job.headers.len())).collect();
    let of_three = ("/x".to_owned(), 1);
    assert_eq!(jobs, [of_three.clone(), of_three.clone(), of_three, ("/tmp".to_owned(), 0)]);
    std::fs::write(&list, "https://h/[1-3]\n  out=x\n").expect("written");
    let error = planned(&format!("--glob -i {}", list.display())).expect_err("one name for three");
    assert!(error.contains("line 1: out and checksum are for one download"), "{error}");
}

#[test]
fn files_of_secrets_and_checksums_are_read_at_the_start() {
    let place = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let netrc = file("netrc", "machine h login a password b c");
    let cookies = file("cookies", "h secret");
    let sums = file("sums", "nothing");
    for (line, part) in [
        (format!("--netrc-file {netrc} https://h/a"), "line 1: expected machine, default"),
        (format!("--load-cookies {cookies} https://h/a"), "line 1: it does not have the seven fields"),
        (format!("--checksum-file {sums} https://h/a"), "is not a list of checksums"),
        ("--checksum-file /none https://h/a".into(), "cannot read '/none'"),
        ("--checksum-file ftp://h/x https://h/a".into(), "a file, or an address with http"),
        ("--replace-address https://h/a https://h/b".into(), "name it with --session NAME"),
        ("--serve --glob".into(), "--glob is for fetching"),
    ] {
        let error = planned(&line).expect_err(&line);
        assert!(error.contains(part) && !error.contains("secret"), "{line}: {error}");
    }
    let fetch = fetch("--session s --replace-address https://h/a?sig=1 https://h/a?sig=2");
    assert!(fetch.replaced.is_some() && fetch.jobs.is_empty());
}

#[test]
fn a_wrong_file_of_addresses_is_reported_with_its_line() {
    let place = tempfile::tempdir().expect("a folder");
    let list = place.path().join("list").display().to_string();
    for (text, part) in [
        (
            "a\n\nb\n  split=4\n",
            "list', line 4: 'split' is not an option here: there are out, dir, checksum, header, user-agent and",
        ),
        ("a\nftp://h/x\n", "list', line 2: 'ftp://h/x': ftp:// is not supported"),
        ("a\n../b\n", "list', line 2: cannot fetch '../b': "),
        (
            "a\n  out=no/such/..\n",
            "list', line 1: 'no/such/..' is not a path to save as; nothing was started",
        ),
        ("# none\n\n", "list' has no address: give one a line"),
    ] {
        std::fs::write(&list, text).expect("written");
        let error = planned(&format!("-H h -i {list}")).expect_err(text);
        assert!(error.contains(part), "{text:?}: {error}");
    }
    std::fs::write(&list, "a\n").expect("written");
    assert!(planned(&format!("-i {list}")).expect_err("no server").contains("line 1: 'a' names no server"));
    let error = planned(&format!("-H h -l x -i {list}")).expect_err("two ways to name a target");
    assert!(
        error.starts_with("the argument '--local <PATH>' cannot be used with '--input-file <FILE>'"),
        "{error}"
    );
    assert!(
        planned("-i /nowhere/at/all")
            .expect_err("no file")
            .starts_with("cannot read '/nowhere/at/all': No such")
    );
    assert!(
        planned(&format!("--serve -i {list}"))
            .expect_err("serving")
            .starts_with("--input-file is for fetching")
    );
}

#[test]
fn options_of_serving_configure_the_server() {
    let config = serve("--serve --arch select -P 0 -H 0.0.0.0 --max-connections 9 --classic /usr");
    assert_eq!((config.root.as_path(), config.host.as_str(), config.port), (Path::new("/usr"), "0.0.0.0", 0));
    assert_eq!((config.arch, config.limits.max_connections), (Arch::Select, 9));
    assert_eq!(config.classic, Some(Dialect::ClassicSelect), "the architecture's own dialect");
    assert_eq!(serve("--serve --classic").classic, Some(Dialect::Classic));
    assert_eq!(
        serve("--serve --classic --classic-dialect classic-select").classic,
        Some(Dialect::ClassicSelect)
    );
    let plain = serve("--serve");
    assert_eq!(
        (plain.root.as_path(), plain.host.as_str(), plain.port),
        (Path::new("/tmp"), "127.0.0.1", 7878)
    );
    assert_eq!((plain.arch, plain.classic), (Arch::Async, None));
}

#[test]
fn the_demo_listens_on_loopback_only() {
    let Ok(Task::Demo(demo)) = planned("--demo /usr --arch single").map(|plan| plan.task) else {
        panic!("a demo");
    };
    let Demo { server, fetch, dir_given, is_tour } = *demo;
    assert_eq!((server.host.as_str(), server.port, server.arch), ("127.0.0.1", 0, Arch::Single));
    assert_eq!((server.root.as_path(), fetch.jobs.len(), dir_given), (Path::new("/usr"), 0, false));
    assert!(!is_tour, "a folder is given");
    let is_tour = |line: &str, terminal| {
        let environment = Environment { terminal, ..environment() };
        match planned_in(line, &environment).map(|plan| plan.task) {
            Ok(Task::Demo(demo)) => demo.is_tour,
            other => panic!("{line}: {other:?}"),
        }
    };
    assert!(is_tour("--demo", Terminal::Screen));
    assert!(!is_tour("--demo /usr", Terminal::Screen));
    assert!(!is_tour("--demo", Terminal::None), "without a screen the folder is fetched and compared");
}

#[test]
fn the_face_depends_on_the_terminal_and_the_options() {
    let terminal = Environment { terminal: Terminal::Screen, ..environment() };
    let face = |line: &str, environment: &Environment| planned_in(line, environment).map(|plan| plan.face);
    assert_eq!(face("", &terminal), Ok(Face::Screen));
    assert_eq!(face("--serve", &terminal), Ok(Face::Screen));
    assert_eq!(face("--serve", &environment()), Ok(Face::Headless(Output::Plain)));
    assert_eq!(face("--serve --headless", &terminal), Ok(Face::Headless(Output::Plain)));
    assert_eq!(face("--serve --json -q", &terminal), Ok(Face::Headless(Output::Json)));
    assert_eq!(face("--serve -q", &terminal), Ok(Face::Headless(Output::Quiet)));
    assert!(face("--headless", &terminal).is_err_and(|error| error.starts_with("nothing to fetch")));
}

#[test]
fn the_screen_has_a_session_and_a_script_only_if_named() {
    let terminal = Environment { terminal: Terminal::Screen, ..environment() };
    let session =
        |line: &str, environment: &Environment| match planned_in(line, environment).map(|plan| plan.task) {
            Ok(Task::Fetch(fetch)) => {
                fetch.session.map(|session| (session.name.to_string(), session.folder, session.named))
            }
            other => panic!("{line}: {other:?}"),
        };
    let folder = std::path::PathBuf::from("/state/sessions");
    assert_eq!(session("", &terminal), Some(("default".into(), folder.clone(), false)));
    assert_eq!(session("--session x", &terminal), Some(("x".into(), folder.clone(), true)));
    assert_eq!(session("-H h a", &environment()), None);
    assert_eq!(session("--session x", &environment()), Some(("x".into(), folder, true)));
    let homeless = Environment { state: None, ..terminal };
    assert_eq!(session("", &homeless), None);
    assert!(planned_in("--session x", &homeless).expect_err("none").contains("XDG_STATE_HOME"));
}

#[test]
fn a_run_resumes_the_queue_of_the_last_run() {
    use crate::client::{
        SavedState, Trouble, TroubleKind,
        session::{Changed, Saved},
    };
    let earlier = fetch("-H nas --plain a b");
    let mut queue: Vec<crate::client::SavedJob> = earlier.jobs.into_iter().map(Into::into).collect();
    let trouble = Trouble::new(TroubleKind::Disk, "full");
    queue[0].state = SavedState::Failed(trouble);
    let limits = Changed { jobs: Some(7), segments: None, rate: Some(5000) };
    let saved = Saved { limits, queue, ..Saved::default() };
    let begin = |line: &str, has_screen| {
        let (config, queue) = fetch(line).begin(saved.clone(), has_screen);
        let states = queue.iter().map(|job| match job.state {
            SavedState::Queued => 'q',
            SavedState::Paused => 'p',
            _ => 'f',
        });
        (config.jobs, config.limit, states.collect::<String>())
    };
    assert_eq!(begin("-H nas --plain c", true), (7, Some(5000), "fqq".into()));
    assert_eq!(begin("-H nas --plain a -j 2", true), (2, Some(5000), "qq".into()));
    assert_eq!(begin("-H nas --plain b --limit 0", false), (7, None, "qq".into()));
}

#[test]
fn verbosity_and_log_file_configure_the_log() {
    let log = planned("--serve -vv --log-file /tmp/x.log").expect("right").log;
    assert_eq!((log.level, log.stderr), (tracing::Level::TRACE, true));
    assert_eq!(log.destination, Destination::File("/tmp/x.log".into()));
}

#[test]
fn the_demo_does_not_log_into_its_served_folder() {
    let log = LogOptions { folder: Some(Optional(Some("/usr/log".into()))), ..LogOptions::default() };
    let options = Options { log, ..Options::default() };
    let log = |line: &str| match typed(line).expect("right") {
        Parsed::Run(cli) => cli.plan(options.clone(), &environment()).expect("right").log.destination,
        Parsed::Print(_) => panic!("a run"),
    };
    assert_eq!(log("--demo /usr"), Destination::Nowhere);
    assert_ne!(log("--demo /tmp"), Destination::Nowhere);
    assert_ne!(log("--serve /usr"), Destination::Nowhere);
}

#[test]
fn wrong_usage_is_one_sentence_with_advice() {
    let cases = [
        ("--foo", "unexpected argument '--foo' found"),
        ("-s 17", "invalid value '17' for '--segments <N>': it must be a whole number from 1 to 16"),
        ("--as tar", "invalid value 'tar' for '--as <FORM>' [possible values: auto, zip, tree]"),
        (
            "--serve --arch fork",
            "invalid value 'fork' for '--arch <ARCH>' [possible values: single, threads, select, async]",
        ),
        (
            "--serve -P 65536",
            "invalid value '65536' for '--port <PORT>': it must be a whole number from 0 to 65535",
        ),
        ("--serve -P x", "invalid value 'x' for '--port <PORT>'"),
        ("-H h -P 0 a", "port 0 is for --serve"),
        ("-j 0", "invalid value '0' for '--jobs <N>': it must be a whole number from 1 to 64"),
        ("--limit -5", "invalid value '-5' for '--limit <RATE>': '-5' is not a rate"),
        ("--retries -1", "invalid value '-1' for '--retries <N>': it must be a whole number from 0 to 1000"),
        ("--limit fast", "invalid value 'fast' for '--limit <RATE>': 'fast' is not a rate"),
        ("--timeout 0", "invalid value '0' for '--timeout <SECS>': it must be a number of seconds above 0"),
        (
            "--checksum sha1:00",
            "invalid value 'sha1:00' for '--checksum <ALGO:HEX>': a checksum is blake3:, sha256:, sha512: or md5:",
        ),
        (
            "--checksum md5:00",
            "invalid value 'md5:00' for '--checksum <ALGO:HEX>': a digest of this algorithm has 32 hex digits",
        ),
        (
            "--checksum d41d8cd9",
            "invalid value 'd41d8cd9' for '--checksum <ALGO:HEX>': a checksum is blake3:, sha256:, sha512: or md5:",
        ),
        ("--overwrite --rename", "the argument '--overwrite' cannot be used with '--rename'"),
        ("--serve -r x", "--remote is for fetching and cannot be used with --serve"),
        (
            "--serve -d x",
            "--dir is for fetching and cannot be used with --serve; name the folder without it: --serve DIR",
        ),
        ("--serve --jobs 3", "--jobs is for fetching and cannot be used with --serve"),
        ("--serve --demo", "the argument '--serve' cannot be used with '--demo'"),
        ("--serve /usr /tmp", "only one folder can be served: leave out '/tmp'"),
        (
            "--serve /nowhere/at/all",
            "cannot serve '/nowhere/at/all': No such file or directory; give an existing folder",
        ),
        ("--serve /etc/passwd", "cannot serve '/etc/passwd': it is not a folder"),
        (
            "--serve --classic-dialect classic",
            "--classic-dialect is for answering the original programs: add --classic",
        ),
        ("--arch select -H h x", "--arch is for serving: add --serve, or leave it out"),
        ("--demo -H h", "--host cannot be used with --demo"),
        ("a/b", "'a/b' names no server: give one with -H HOST"),
        ("-H a:1 b", "'a:1' is not a host: give the port with -P"),
        ("-H the-token@a:1 b", "'…@a:1' is not a host: give the port with -P"),
        ("the-token@a/b", "'…@a/b' names no server: give one with -H HOST"),
        ("the-token@a:b", "'…@a:b': that is the form of scp: write fdsp://a/b, or with a token"),
        ("a:b/c", "'a:b/c' names no server: give one with -H HOST, or write a:7878/b/c"),
        ("a:99999/c", "'a:99999/c': '99999' is not a port"),
        ("fdsp:/the-token@a/b", "'…@a/b' names no server: give one with -H HOST"),
        ("-H a/b c", "'a/b' is not a host name"),
        ("-H h ../x", "cannot fetch '../x': a path may not contain '..'"),
        ("ftp://h/x", "'ftp://h/x': ftp:// is not supported"),
        ("fdsp://h/x#y", "'fdsp://h/x#y': the part after '#' is not a valid pin"),
        ("fdsp+plain://h:99999/x", "'fdsp+plain://h:99999/x': '99999' is not a port"),
        ("fdsp://nas:/x", "'fdsp://nas:/x': there is no port after the ':'"),
        ("fdsp://sesame-sesame-sesame@nas:/x", "'…@nas:/x': there is no port"),
        ("fdsp+plain:///x", "'fdsp+plain:///x': the address names no host"),
        ("-H h -l x a b", "--local is for exactly one download, and there are 2"),
        (
            "--checksum md5:d41d8cd98f00b204e9800998ecf8427e -H h a b",
            "--checksum is for exactly one download",
        ),
        ("-q -v -H h a", "the argument '--quiet' cannot be used with '--verbose...'"),
        ("", "nothing to fetch"),
        (
            "--man --json",
            "the argument '--man' cannot be used with one or more of the other specified arguments",
        ),
        ("--completions tcsh", "invalid value 'tcsh' for '--completions <SHELL>'"),
    ];
    for (line, sentence) in cases {
        let error = planned(line).expect_err(line);
        assert!(error.starts_with(sentence), "tui {line}: {error}");
        assert!(!error.contains('\n'), "{error:?}");
    }
}

#[test]
fn a_link_local_address_has_a_zone() {
    for host in ["fe80::1%eth0", "[fe80::1%eth0]"] {
        let address = fetch(&format!("-H {host} a")).jobs[0].address.to_string();
        assert_eq!(address, "fdsp://[fe80::1%25eth0]:7878/a", "{host}");
    }
}

#[test]
fn a_token_and_a_pin_are_assigned_only_to_their_server() {
    let pin = format!("sha256:{}", "a5".repeat(32));
    let own = "fdsp://its-own-token@nas/c";
    let jobs =
        |line: &str| -> Vec<String> { fetch(line).jobs.iter().map(|job| job.address.revealed()).collect() };
    assert_eq!(
        jobs(&format!(
            "-H nas --token 12345678 --pin {pin} a fdsp://nas/b {own} fdsp://nas:1/d fdsp://evil/e"
        )),
        [
            format!("fdsp://12345678@nas:7878/a#{pin}"),
            format!("fdsp://12345678@nas:7878/b#{pin}"),
            format!("fdsp://its-own-token@nas:7878/c#{pin}"),
            "fdsp://nas:1/d".to_owned(),
            "fdsp://evil:7878/e".to_owned(),
        ]
    );
    assert_eq!(
        jobs("--token 12345678 fdsp://nas/a fdsp://nas/b"),
        ["fdsp://12345678@nas:7878/a", "fdsp://12345678@nas:7878/b"]
    );
    let environment = Environment { token: Some(Token::parse("from-the-environment")), ..environment() };
    for (line, is_given) in
        [("fdsp://evil/b", false), ("fdsp://nas/a fdsp://evil/b", false), ("-H nas a fdsp://nas/b", true)]
    {
        let plan = planned_in(line, &environment).expect("servers");
        let Task::Fetch(fetch) = plan.task else { panic!("not fetching") };
        let mut servers = fetch.jobs.iter().map(|job| job.address.server());
        assert!(servers.all(|server| server.has_token() == is_given), "{line}: it is for the server of -H");
    }
}

/// Otherwise the token would be sent to the pin of another address.
#[test]
fn a_token_is_assigned_to_addresses_of_one_pin_only() {
    let [pin, other] = ["a5", "5a"].map(|byte| format!("sha256:{}", byte.repeat(32)));
    let (x, y) = (format!("fdsp://nas/x#{pin}"), "fdsp://nas/y");
    for line in [
        format!("--token 12345678 {x} {y}"),
        format!("--token 12345678 {y} {x}"),
        format!("--token 12345678 --pin {other} {x} {y}"),
        format!("--token 12345678 {x} fdsp://nas/y#{other}"),
        format!("--token 12345678 fdsp+plain://nas/x {y}"),
    ] {
        assert!(planned(&line).unwrap_err().starts_with("a token or a pin is for one server"), "{line}");
    }
    for line in [format!("--token 12345678 {x} {y}#{pin}"), format!("--token 12345678 --pin {pin} {x} {y}")] {
        let expected = ["x", "y"].map(|path| format!("fdsp://12345678@nas:7878/{path}#{pin}"));
        let jobs = fetch(&line).jobs;
        assert!(jobs.iter().map(|job| job.address.revealed()).eq(expected), "{line}: {jobs:?}");
    }
}

#[test]
fn a_server_has_tls_and_a_token_by_default() {
    let state = Path::new("/state/server");
    let config = serve("--serve");
    assert_eq!(config.identity, Some(Certificate::Stored(state.to_owned())));
    assert_eq!(config.access, Access::Stored(state.to_owned()));
    assert_eq!(serve("--serve --plain").identity, None);
    assert_eq!(serve("--serve --public").access, Access::Public);
    let given = Token::parse("12345678").expect("a token");
    assert_eq!(serve("--serve --token 12345678").access, Access::Token(given));
    let (certificate, key) = ("/tmp/c".into(), "/etc/k".into());
    let identity = serve("--serve --tls-cert c --tls-key /etc/k").identity;
    assert_eq!(identity, Some(Certificate::Given { certificate, key }));
}

#[test]
fn a_token_in_an_address_is_not_repeated() {
    for line in ["fdsp://S3cret@h/x", "fdsp+plain://S3cret-S3cret@h:x/x", "xyz://S3cret@h/x"] {
        let error = planned(line).expect_err(line);
        assert!(!error.contains("S3cret"), "{error}");
    }
}

#[test]
fn control_characters_of_arguments_do_not_reach_the_terminal() {
    let line = [OsString::from("tui"), OsString::from("--\u{1b}[2J")];
    let error = Cli::read(line).expect_err("no such option").0;
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn a_tip_is_part_of_the_error() {
    let error = planned("--headles -H h a").expect_err("misspelt");
    assert_eq!(error, "unexpected argument '--headles' found (a similar argument exists: '--headless')");
}

#[test]
fn help_version_completions_and_manual_are_printed() {
    for (line, part) in [
        ("--help", "--max-connections <N>"),
        ("--version", env!("CARGO_PKG_VERSION")),
        ("--completions bash", "_tui()"),
        ("--completions zsh", "#compdef tui"),
        ("--man", ".TH tui 1"),
    ] {
        let Ok(Parsed::Print(bytes)) = typed(line) else { panic!("{line} prints") };
        assert!(String::from_utf8_lossy(&bytes).contains(part), "{line}");
    }
}

#[test]
fn the_command_definition_is_valid() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn the_value_of_color_can_be_a_separate_argument() {
    for (line, color) in [
        ("--color never -H h a", When::Never),
        ("--color=never -H h a", When::Never),
        ("--color always -H h a", When::Always),
        ("--color -H h a", When::Always),
    ] {
        let plan = planned(line).expect(line);
        assert_eq!(plan.settings.screen.color, color, "{line}");
        let Task::Fetch(fetch) = plan.task else { panic!("{line}") };
        assert_eq!(fetch.jobs.len(), 1, "{line}");
    }
}

#[test]
fn a_limit_of_the_command_line_sets_the_schedule_aside() {
    let file = "[client]\nlimit_schedule = [{ from = \"08:00\", to = \"18:00\", limit = 5 }]";
    let options = || Options::from_file(Path::new("c.toml"), file).expect("right");
    for (line, follows) in [("-H nas a", true), ("-H nas a --limit 2M", false), ("-H nas a --limit 0", false)]
    {
        let Ok(Parsed::Run(cli)) = typed(line) else { panic!("{line}") };
        let Ok(Plan { task: Task::Fetch(fetch), .. }) = cli.plan(options(), &environment()) else {
            panic!("{line}")
        };
        let (config, _) = fetch.begin(Default::default(), true);
        assert_eq!(!config.limit_schedule.is_empty(), follows, "{line}");
    }
}
