"""The command that trains the network itself."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def finetune(
    data: Annotated[Path, typer.Argument(help="A folder with one subfolder a person.")],
    unfreeze: Annotated[str, typer.Option(help="What is trained: the last block, such as block5, more, or all.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The weights file.")] = Path("tuned.npz"),
    backbone: Annotated[str, typer.Option(help="The network; facefeat backbones lists them.")] = "vgg16",
    weights: Annotated[str | None, typer.Option(help="What to begin with: a name, or a file.")] = None,
    preprocess: Annotated[
        str | None, typer.Option(help="For your own weights: what the pixels become first, such as vggface.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the face that the network sees, 32 to 512 pixels.")] = None,
    pooling: Annotated[str | None, typer.Option(help="avg, max, grid2 or flatten.")] = None,
    faces: frame.Faces = "auto",
    policy: frame.Policy = None,
    template: frame.Template = None,
    margin: frame.Margin = None,
    min_score: frame.MinScore = None,
    min_face: frame.MinFace = None,
    augment: Annotated[int, typer.Option(help="Altered copies of each picture, of which an epoch takes one.")] = 5,
    epochs: Annotated[int, typer.Option(help="At most so many.")] = 40,
    batch_size: Annotated[int, typer.Option(help="Pictures that a step learns from.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="How far a step goes.")] = 3e-5,
    patience: Annotated[int, typer.Option(help="Epochs without a lower validation loss after which it ends.")] = 8,
    folds: Annotated[int, typer.Option(help="Do all of it so often, each time with other pictures to test.")] = 1,
    random_state: Annotated[int, typer.Option(help="Seed of the splits and of the training.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Also draw the training's curves here, .svg.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an output, or work, of other pictures or settings.")] = False,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Train the network's last block, or more, on your own people, and say whether that paid.

    It seldom does with few photographs. A run that was stopped goes on from its last finished epoch.

    Example: facefeat finetune data/ --unfreeze block5 -o tuned.npz
    """
    from facefeat.features.encode import plan
    from facefeat.report import finetuned
    from facefeat.tune.finetune import finetune as run
    from facefeat.tune.schedule import Schedule

    schedule = Schedule(unfreeze, augment, epochs, batch_size, learning_rate, patience, folds, random_state)
    chosen = plan(
        backbone,
        weights=weights,
        preprocess=preprocess,
        size=size,
        pooling=pooling,
        faces_mode=faces,
        policy=policy,
        template=template,
        margin=margin,
        min_score=min_score,
        min_face=min_face,
    )
    with frame.progress(quiet) as tell:
        made = run(
            data, output, chosen, schedule, workers=frame.cores(workers), overwrite=overwrite, progress=tell
        )  # fmt: skip
    frame.show(lambda: finetuned.table(made, verbose), lambda: finetuned.document(made), as_json)
    if plot:  # after the table: a full disk does not cost what was trained
        frame.write_page(plot, finetuned.picture(made), quiet or as_json)
    frame.hint(f"Next: {finetuned.following(made)}", quiet or as_json)
