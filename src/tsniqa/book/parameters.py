"""Notebook parameters: what a notebook's tagged cell declares, and values checked against it."""

import ast
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from tsniqa.errors import invalid_content, unknown_name
from tsniqa.paths import project_root

_OF_IPYTHON = {"In", "Out", "get_ipython", "exit", "quit", "open", "check_parameters"}
_CHECKED = "_parameters_are_checked"


def check_parameters(notebook: str, namespace: dict[str, Any]) -> None:
    """Check the parameters of the notebook that calls this, and give them their declared types.

    Call it in the first cell after the parameters, when nothing else has a name yet: papermill
    itself only warns of a name that the notebook does not have.

    Args:
        notebook: Name of the notebook, without ending.
        namespace: Its ``globals()``; values of the parameters are replaced by checked ones.

    Raises:
        ConfigError: A parameter is unknown or its value has the wrong type.
    """
    known = declared_parameters(notebook).model_fields
    names = [n for n in namespace if not n.startswith("_") and n not in _OF_IPYTHON]
    if _CHECKED in namespace:  # the cell runs again, by hand: other cells have made names since
        names = [name for name in names if name in known]
    namespace |= checked(notebook, {name: namespace[name] for name in names})
    namespace[_CHECKED] = True


def checked(notebook: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of a notebook, with the values given here or their defaults.

    Raises:
        ConfigError: The notebook or a parameter is unknown, or a value has the wrong type.
    """
    declared = declared_parameters(notebook)
    for name in values:
        if name not in declared.model_fields:
            raise unknown_name("parameter", name, declared.model_fields)
    try:
        return declared.model_validate(dict(values)).model_dump()
    except ValidationError as error:
        raise invalid_content("parameter", error) from error


def declared_parameters(notebook: str) -> type[BaseModel]:
    """Return the parameters that a notebook's cell tagged ``parameters`` declares, as a model.

    A field's type is the annotation; where the default is None, None is allowed. A ConfigError says
    that there is no such notebook in ``notebooks/``.
    """
    path = project_root() / "notebooks" / f"{notebook}.ipynb"
    if not path.is_file():
        raise unknown_name("notebook", notebook, [p.stem for p in path.parent.glob("*.ipynb")])
    fields = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))[
        "cells"
    ]:  # nbformat takes seconds to import
        if "parameters" in cell["metadata"].get("tags", []):
            for node in ast.parse("".join(cell["source"])).body:
                kind = eval(ast.unparse(node.annotation))  # a built-in type, such as list
                default = ast.literal_eval(node.value)
                fields[node.target.id] = (kind | None if default is None else kind, default)
    return create_model(notebook, __config__=ConfigDict(coerce_numbers_to_str=True), **fields)
