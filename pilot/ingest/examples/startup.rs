//! How long it takes from files to a mesh: 1,000 services of two endpoints each, 200 VirtualServices and DestinationRules.
//!
//! `cargo run --release -p pilot-ingest --example startup`

#![allow(clippy::print_stdout, clippy::panic)] // A measurement for people.

use pilot_ingest::{Context, Ingest, Report, Settings, load, parse_file};
use std::{fmt::Write, time::Instant};

fn main() {
    let directory = std::env::temp_dir().join(format!("meltemi-startup-{}", std::process::id()));
    write_mesh(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for _ in 0..3 {
        let begin = Instant::now();
        let loaded = load(&directory, Settings::default()).unwrap_or_else(|error| panic!("{error}"));
        let elapsed = begin.elapsed();
        println!(
            "load: {elapsed:?}, {} services, {} entries",
            loaded.0.services().count(),
            loaded.1.entries.len()
        );
    }
    measure_parts(&directory);
    for services in [100, 1_000, 10_000] {
        measure_edits(services);
    }
    let _ = std::fs::remove_dir_all(&directory);
}

fn write_mesh(directory: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for namespace in 0..20 {
        let mut text = String::new();
        for service in 0..50 {
            let number = namespace * 50 + service;
            let (high, low) = (number / 250, number % 250);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "apiVersion: v1\nkind: Service\nmetadata:\n  name: s{number}\n  namespace: n{namespace}\nspec:\n  \
                 clusterIP: 10.0.{high}.{low}\n  selector:\n    app: s{number}\n  ports:\n  - name: http\n    port: 80\n    \
                 targetPort: 8080\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: s{number}-a\n  \
                 namespace: n{namespace}\n  labels:\n    kubernetes.io/service-name: s{number}\naddressType: IPv4\nports:\n\
                 - name: http\n  port: 8080\n  protocol: TCP\nendpoints:\n- addresses: [10.1.{high}.{low}]\n  conditions: {{ready: true}}\n\
                 - addresses: [10.2.{high}.{low}]\n  conditions: {{ready: true}}\n---\n"
            );
            if service < 10 {
                let _ = write!(
                    text,
                    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: s{number}\n  namespace: n{namespace}\n\
                     spec:\n  hosts: [s{number}]\n  http:\n  - match:\n    - headers:\n        x-user:\n          regex: '[a-z]+'\n    route:\n\
                     \x20   - destination: {{host: s{number}, subset: v1}}\n      weight: 90\n    - destination: {{host: s{number}, subset: v2}}\n\
                     \x20     weight: 10\n    timeout: 5s\n  - route:\n    - destination: {{host: s{number}, subset: v1}}\n---\n\
                     apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: s{number}\n  namespace: n{namespace}\n\
                     spec:\n  host: s{number}\n  trafficPolicy:\n    connectionPool:\n      tcp: {{maxConnections: 100}}\n  subsets:\n\
                     \x20 - name: v1\n    labels: {{version: v1}}\n  - name: v2\n    labels: {{version: v2}}\n---\n"
                );
            }
        }
        std::fs::write(directory.join(format!("n{namespace}.yaml")), text)?;
    }
    Ok(())
}

fn measure_parts(directory: &std::path::Path) {
    let mut files: Vec<_> =
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.sort();
    let begin = Instant::now();
    let texts: Vec<_> = files.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    println!("read: {:?}, {} bytes", begin.elapsed(), texts.iter().map(Vec::len).sum::<usize>());
    let begin = Instant::now();
    let settings = Context::default();
    let edits: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| parse_file(&index.to_string().into(), text, &settings))
        .collect();
    println!("parse on one thread: {:?}", begin.elapsed());
    let mut ingest = Ingest::new(settings.clone());
    let begin = Instant::now();
    ingest.apply(edits);
    println!("assemble: {:?}", begin.elapsed());
    let begin = Instant::now();
    let report = Report::new(&ingest.snapshot());
    println!("report: {:?}, {} entries", begin.elapsed(), report.entries.len());
    let again = parse_file(&"0".into(), &texts[0], &settings);
    let begin = Instant::now();
    let changes = ingest.apply(vec![again]);
    println!("the same file again: {:?}, changes: {}", begin.elapsed(), !changes.is_empty());
}

/// The same two edits in meshes of different sizes: the VirtualService of one service, and the slice of another.
fn measure_edits(services: usize) {
    let context = Context::default();
    let mut ingest = Ingest::new(context.clone());
    let mut text = String::new();
    for number in 0..services {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{number}, namespace: n{}}}\n\
             spec: {{clusterIP: None, selector: {{app: s{number}}}, ports: [{{name: http, port: 80}}]}}\n",
            number % 20
        );
    }
    ingest.apply(vec![parse_file(&"services.yaml".into(), text.as_bytes(), &context)]);
    let edit = |round: usize| {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a, namespace: n1}}\n\
             spec: {{hosts: [s1], http: [{{route: [{{destination: {{host: s1}}}}], timeout: {}s}}]}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: b, namespace: n1, labels: {{kubernetes.io/service-name: s1}}}}\naddressType: IPv4\n\
             ports: [{{name: http, port: 80}}]\nendpoints: [{{addresses: [10.1.1.{}]}}]\n",
            round + 1,
            round % 250
        );
        parse_file(&"edits.yaml".into(), text.as_bytes(), &context)
    };
    let edits: Vec<_> = (0..500).map(edit).collect();
    let begin = Instant::now();
    for edit in edits {
        ingest.apply(vec![edit]);
    }
    println!("{services} services: {:?} an edit of a VirtualService and a slice", begin.elapsed() / 500);
}
