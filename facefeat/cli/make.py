"""The commands that make something: extract, fit, compare."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame

FeatureFile = Annotated[Path, typer.Argument(help="A feature file.")]


@frame.reported
def extract(
    data: Annotated[
        str, typer.Argument(help="A folder with one subfolder a person, a .tar, or an address: s3://bucket/people.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The feature file.")] = Path("features.h5"),
    backbone: Annotated[str, typer.Option(help="The network; facefeat backbones lists them.")] = "vgg16",
    weights: Annotated[
        str | None, typer.Option(help="A name that facefeat weights list has, or a file; by default the first.")
    ] = None,
    preprocess: Annotated[
        str | None, typer.Option(help="For your own weights: what the pixels become first, such as vggface.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the face that the network sees, 32 to 512 pixels.")] = None,
    layers: Annotated[str | None, typer.Option(help="Where vectors are read, with commas.")] = None,
    pooling: Annotated[str | None, typer.Option(help="avg, max, grid2 or flatten.")] = None,
    faces: frame.Faces = "auto",
    policy: frame.Policy = None,
    template: frame.Template = None,
    margin: frame.Margin = None,
    min_score: frame.MinScore = None,
    min_face: frame.MinFace = None,
    flip: Annotated[bool, typer.Option(help="Average with the mirror image.")] = True,
    augment: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Add N copies of each picture, turned, moved and lit otherwise, that train and are never tested, 0 to 100; "
            "by default as many as the file has.",
        ),
    ] = None,
    engine: frame.Engine = "auto",
    precision: frame.Precision = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Faces that go through the network together; by default what suits it.")
    ] = None,
    workers: frame.Workers = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ray[:HOST:PORT]",
            help="Compute on a Ray cluster, whose nodes read DATA themselves; --workers are then each actor's.",
        ),
    ] = None,
    shards: Annotated[
        str,
        typer.Option(
            help="On a cluster, how shards come back: shared, by a folder that all nodes see; returned; auto; or by a store that "
            "all reach, given as an address: s3://bucket/scratch."
        ),
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option(help="Replace a feature file of another recipe, or a damaged one.")
    ] = False,
    retry_skipped: Annotated[
        bool, typer.Option("--retry-skipped", help="Try again what was skipped before, though it is the same.")
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read all pictures, also where size, times and inode are as they were.")
    ] = False,
    strict: Annotated[bool, typer.Option(help="Exit with 3 if any picture was skipped.")] = False,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Turn photographs into vectors, once.

    Pictures are known by their bytes: a second run computes only what is new.

    Example: facefeat extract data/
    """
    from facefeat.features.encode import plan
    from facefeat.features.extract import extract as run
    from facefeat.report import documents, tables

    with frame.progress(quiet) as tell:
        chosen = plan(
            backbone,
            weights=weights,
            size=size,
            layers=frame.names(layers),
            pooling=pooling,
            faces_mode=faces,
            flip=flip,
            preprocess=preprocess,
            policy=policy,
            template=template,
            margin=margin,
            min_score=min_score,
            min_face=min_face,
            progress=tell,
        )
        made = run(
            data,
            output,
            chosen,
            augment=augment,
            engine=engine,
            precision=precision,
            batch_size=batch_size,
            workers=frame.cores(workers),
            overwrite=overwrite,
            retry_skipped=retry_skipped,
            rehash=rehash,
            cluster=cluster,
            shards=shards,
            progress=tell,
        )
    frame.show(lambda: tables.extraction(made, verbose), lambda: documents.extraction(made), as_json)
    if strict and made.file.skipped:
        n = len(made.file.skipped)
        skipped = f"{n} of {made.images} files {'was' if n == 1 else 'were'} skipped"
        frame.hint(f"--strict was given, and {skipped}.", quiet=False)
        raise typer.Exit(3)
    frame.hint(f"Next: facefeat compare {output}", quiet or as_json)


@frame.reported
def fit(
    features: FeatureFile = Path("features.h5"),
    head: Annotated[str, typer.Option(help="The classifier, or auto; facefeat heads lists them.")] = "auto",
    output: Annotated[Path, typer.Option("--output", "-o", help="The model.")] = Path("model.facefeat"),
    layer: Annotated[str, typer.Option(help="The vectors to use, or auto.")] = "auto",
    settings: Annotated[list[str] | None, typer.Option("--set", help="A knob of the head, such as C=10.")] = None,
    search: Annotated[bool, typer.Option(help="Try the head's small grid of knobs first.")] = False,
    fpir: Annotated[float, typer.Option(help="Share of strangers that may be given a name.")] = 0.01,
    random_state: Annotated[int, typer.Option(help="Seed of the splits.")] = 0,
    keep_faces: Annotated[
        bool, typer.Option(help="Keep the training faces, small and grey, by which near copies are told.")
    ] = True,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Train one head and choose where "unknown" begins.

    Example: facefeat fit --head svm --set C=10
    """
    from facefeat.features.store.file import read
    from facefeat.learn.fit import fit as run
    from facefeat.learn.head import parse_settings
    from facefeat.report import documents, tables

    params = parse_settings(settings or [])
    with frame.progress(quiet) as tell:
        made = run(
            read(features),
            output,
            head=head,
            layer=layer,
            params=params,
            search=search,
            fpir=fpir,
            random_state=random_state,
            keep_faces=keep_faces,
            workers=frame.cores(workers),
            progress=tell,
        )
    frame.show(lambda: tables.fitted(made), lambda: documents.fitted(made), as_json)
    frame.hint(f"Next: facefeat predict {output} PICTURE", quiet or as_json)


@frame.reported
def compare(
    features: FeatureFile = Path("features.h5"),
    heads: Annotated[str, typer.Option(help="all, or names with commas.")] = "all",
    layers: Annotated[str, typer.Option(help="all, or names with commas.")] = "all",
    folds: Annotated[int, typer.Option(min=2, help="Parts that the pictures are cut into.")] = 10,
    repeats: Annotated[int, typer.Option(min=1, help="How often they are cut anew.")] = 3,
    test: Annotated[
        Path | None, typer.Option(help="Also test on this feature file: other pictures of the same people.")
    ] = None,
    strangers: Annotated[
        int, typer.Option(min=0, help="How often half of the people are held out as strangers; 0: never.")
    ] = 5,
    random_state: Annotated[int, typer.Option(help="Seed of the folds.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Also write the report as a page, with plots and mistakes.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write the report here: .txt, .json or .svg.")] = None,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Compare heads and layers on the same folds.

    The report says which cannot be told from the best, how strangers fare, how far probabilities are off, and what was wrong
    with the pictures.

    Example: facefeat compare --heads svm,logreg,lda --test held-out.h5 --html report.html
    """
    from facefeat.features.store.file import read
    from facefeat.learn.compare import compare as run
    from facefeat.report import compared

    file, other = read(features), read(test) if test else None
    with frame.progress(quiet) as tell:
        found = run(
            file,
            heads_wanted=frame.names(heads),
            layers=frame.names(layers),
            n_folds=folds,
            repeats=repeats,
            stranger_repeats=strangers,
            test=other,
            random_state=random_state,
            workers=frame.cores(workers),
            progress=tell,
        )
    frame.show(lambda: compared.table(found), lambda: compared.document(found, file), as_json)
    if report:  # after the table: a full disk does not cost what was compared
        frame.write(report, lambda: compared.table(found), lambda: compared.document(found, file))
    if html:
        from facefeat.report import comparison_page

        frame.write_page(html, comparison_page.page(found, file), quiet or as_json)
    frame.hint(f"Next: facefeat fit {features} --head {found.best.head} --layer {found.best.layer}", quiet or as_json)
