"""The command ``select``: other objects of a run that is done, without a model."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from samgeo_core.cli.options import add_config_options, given_values, whole_or_nothing
from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.errors import ParameterError


def add_select_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options, which follow from `SelectionRule`."""
    parser = commands.add_parser(
        "select",
        allow_abbrev=False,
        help="choose again among what a run found, without a model",
        description="Choose again among the candidates of a run and write labels.tif, mask.tif, "
        "objects.gpkg, objects.npz, candidates.npz and run.json. What is not given stays as it "
        "was in the run; masks below the thresholds of the run are not among its candidates.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="OUT_DIR of segment")
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder of the new results")
    add_config_options(parser.add_argument_group("rule"), SelectionRule, defaults=False)
    parser.set_defaults(command=run_select)


def run_select(args: argparse.Namespace) -> int:
    """Apply a rule to the candidates of a run."""
    from samgeo_core.pipeline import read_record, reselect

    if args.out_dir.resolve() == args.run_dir.resolve():
        raise ParameterError(f"OUT_DIR must be another folder than RUN_DIR, got {args.out_dir}.")
    config = SegmentConfig.from_dict(read_record(args.run_dir).get("parameters", {}))
    rule = changed_rule(config.rule, args)
    with whole_or_nothing(args.out_dir) as folder:
        count = reselect(args.run_dir, rule, folder)["n_objects"]
    sys.stdout.write(f"{count} object{'' if count == 1 else 's'} in {args.out_dir}\n")
    return 0


def changed_rule(rule: SelectionRule, args: argparse.Namespace) -> SelectionRule:
    """A rule with what the options say instead."""
    return dataclasses.replace(rule, **given_values(args, SelectionRule))
