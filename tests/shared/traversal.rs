//! Paths that would lead out of a served folder `served` with `file` and `sub/deep/file` in it, and a folder `outside` with
//! `secret` beside it.

/// None of these exists.
pub fn spellings() -> Vec<String> {
    let fixed = [
        "..",
        "../outside/secret",
        "/../outside/secret",
        "sub/../../outside/secret",
        "sub/deep/../../../outside/secret",
        "./.././outside/secret",
        "sub/..",
        "sub/../file",
        "../served/file",
        "....//outside/secret",
        "..;/outside/secret",
        "..\\outside\\secret",
        "sub\\..\\..\\outside\\secret",
        "%2e%2e/outside/secret",
        "..%2foutside%2fsecret",
        "%252e%252e%252foutside",
        "..%c0%afoutside",
        "\u{2024}\u{2024}/outside/secret",
        "\u{ff0e}\u{ff0e}/outside/secret",
        "..\u{2215}outside\u{2215}secret",
        ".. /outside/secret",
        " ../outside/secret",
        "..\0/outside/secret",
        "file\0",
        "file\0.txt",
        "~/secret",
        "~root/secret",
        "file:///etc/passwd",
        "C:\\outside\\secret",
        "//?/outside/secret",
        "file/..",
        "file/../file",
        "file/x",
        "/etc/passwd",
        "/proc/self/cwd/file",
        "proc/self/root/etc/passwd",
        "dev/null",
    ];
    let long = [
        "../".repeat(50),
        "x/".repeat(3000),
        "x".repeat(256),
        "x".repeat(255),
        "sub/".repeat(1000),
        "sub/../".repeat(300) + "../outside/secret",
    ];
    fixed.into_iter().map(str::to_owned).chain(long).collect()
}
