"""Reads T-SQL with Microsoft's own parsers and says what it means.

Each line of standard input is a script, as a JSON string; each line of standard output is a JSON
object: `errors` of both parsers, and `batches`, each a list of statements in the order in which they
stand. What a statement holds (IF, BEGIN, TRY, EXEC of text) follows it in the list.

A text that is put together and run by EXEC is put together here too, and read in the same way.
"""

import json
import os
import sys
import tempfile

os.environ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"

import dotnetcore2  # noqa: E402
import mssqlcli  # noqa: E402
from clr_loader import get_coreclr  # noqa: E402
from pythonnet import set_runtime  # noqa: E402


def start_runtime():
    root = os.path.join(os.path.dirname(dotnetcore2.__file__), "bin")
    framework = {"name": "Microsoft.NETCore.App", "version": "3.1.23"}
    config = {"runtimeOptions": {"tfm": "netcoreapp3.1", "framework": framework}}
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(config, file)
    try:
        set_runtime(get_coreclr(runtime_config=file.name, dotnet_root=root))
        import clr
    finally:
        os.unlink(file.name)
    sys.path.append(os.path.join(os.path.dirname(mssqlcli.__file__), "mssqltoolsservice", "bin"))
    clr.AddReference("Microsoft.SqlServer.TransactSql.ScriptDom")
    clr.AddReference("Microsoft.SqlServer.SqlParser")


start_runtime()

import System  # noqa: E402
from Microsoft.SqlServer.Management.SqlParser.Parser import Parser  # noqa: E402
from Microsoft.SqlServer.TransactSql import ScriptDom as dom  # noqa: E402
from System.IO import StringReader  # noqa: E402

# What `+` gives of texts that are not nvarchar(max).
SHORT_UNITS_MAX = 4000


class NotUnderstood(Exception):
    """The script does what this program cannot follow."""


def read(sql):
    errors = []
    batches = read_batches(sql, errors)
    return {"errors": errors, "batches": batches}


def read_batches(sql, errors):
    fragment, found = dom.TSql150Parser(True).Parse(StringReader(sql), None)
    errors += [f"ScriptDom {e.Line}:{e.Column} {e.Message}" for e in found]
    try:
        errors += [f"SqlParser {e.Message}" for e in Parser.Parse(sql).Errors]
    except System.Exception as failure:
        # It does not get over some of what is wrong.
        errors.append(f"SqlParser {failure.Message}")
    if found.Count or fragment is None:
        return []
    return [read_batch(batch, errors) for batch in fragment.Batches]


def read_batch(batch, errors):
    out = []
    variables = {}
    for statement in batch.Statements:
        read_statement(statement, out, variables, errors)
    return out


def read_statement(statement, out, variables, errors):
    kind = type(statement).__name__
    found = {"type": kind}
    out.append(found)

    def inside(*statements):
        for one in statements:
            if one is not None:
                read_statement(one, out, variables, errors)

    match kind:
        case "IfStatement":
            inside(statement.ThenStatement, statement.ElseStatement)
        case "BeginEndBlockStatement":
            inside(*statement.StatementList.Statements)
        case "TryCatchStatement":
            inside(*statement.TryStatements.Statements, *statement.CatchStatements.Statements)
        case "RestoreStatement":
            found["kind"] = str(statement.Kind)
            found["database"] = value(statement.DatabaseName)
            found["devices"] = devices(statement)
            found["options"] = [restore_option(option) for option in statement.Options]
        case "BackupTransactionLogStatement":
            found["database"] = value(statement.DatabaseName)
            found["devices"] = devices(statement)
            found["options"] = [str(option.OptionKind) for option in statement.Options]
        case "AlterDatabaseSetStatement":
            found["database"] = value(statement.DatabaseName)
            found["options"] = [str(option.OptionKind) for option in statement.Options]
        case "CreateCertificateStatement":
            found["name"] = value(statement.Name)
            found["file"] = value(statement.CertificateSource.File)
            found["key"] = value(statement.PrivateKeyPath)
            found["password"] = value(statement.DecryptionPassword)
        case "CreateMasterKeyStatement":
            found["password"] = value(statement.Password)
        case "CreateLoginStatement":
            login(statement, found)
        case "UseStatement":
            found["database"] = value(statement.DatabaseName)
        case "CreateUserStatement" | "AlterUserStatement":
            found["name"] = value(statement.Name)
        case "AlterRoleStatement":
            found["name"] = value(statement.Name)
            found["member"] = value(statement.Action.Member)
        case "AlterAuthorizationStatement":
            name = statement.SecurityTargetObject.ObjectName.MultiPartIdentifier
            found["database"] = name.Identifiers[0].Value
        case "DbccStatement":
            found["command"] = str(statement.Command)
            found["arguments"] = [value(literal.Value) for literal in statement.Literals]
        case "DeleteStatement" | "UpdateStatement":
            target = getattr(statement, f"{kind.removesuffix('Statement')}Specification").Target
            found["table"] = value(target.SchemaObject.BaseIdentifier)
        case "ThrowStatement":
            found["number"] = value(statement.ErrorNumber)
        case "DeclareVariableStatement" | "SetVariableStatement":
            variables.update(assigned(statement, kind, variables))
        case "ExecuteStatement":
            execute(statement, found, out, variables, errors)


def value(fragment):
    return None if fragment is None else fragment.Value


def devices(statement):
    return [[str(one.DeviceType), value(one.PhysicalDevice)] for one in statement.Devices]


def restore_option(option):
    kind = str(option.OptionKind)
    if isinstance(option, dom.MoveRestoreOption):
        return [kind, value(option.LogicalFileName), value(option.OSFileName)]
    if isinstance(option, dom.ScalarExpressionRestoreOption):
        return [kind, value(option.Value)]
    return [kind]


def login(statement, found):
    found["name"] = value(statement.Name)
    found["source"] = type(statement.Source).__name__
    if isinstance(statement.Source, dom.PasswordCreateLoginSource):
        found["password"] = value(statement.Source.Password)
    for option in statement.Source.Options:
        kind = str(option.OptionKind)
        if isinstance(option, dom.LiteralPrincipalOption):
            found[kind] = value(option.Value)
        elif isinstance(option, dom.IdentifierPrincipalOption):
            found[kind] = value(option.Identifier)


def execute(statement, found, out, variables, errors):
    entity = statement.ExecuteSpecification.ExecutableEntity
    if isinstance(entity, dom.ExecutableProcedureReference):
        name = entity.ProcedureReference.ProcedureReference.Name
        found["procedure"] = [one.Value for one in name.Identifiers]
        return
    texts = [evaluate(one, variables)[0] for one in entity.Strings]
    found["text"] = "".join(texts)
    for batch in read_batches(found["text"], errors):
        out += batch


def assigned(statement, kind, variables):
    """The variable that holds text, and what it holds; others are left out."""
    try:
        if kind == "DeclareVariableStatement":
            return {
                one.VariableName.Value: (evaluate(one.Value, variables)[0], is_max(one.DataType))
                for one in statement.Declarations
                if one.Value is not None
            }
        name = statement.Variable.Name
        new = evaluate(statement.Expression, variables)
        if str(statement.AssignmentKind) == "AddEquals":
            new = add(variables[name], new)
        return {name: (new[0], variables[name][1])}
    except (KeyError, NotUnderstood):
        return {}


def is_max(data_type):
    return any(isinstance(one, dom.MaxLiteral) for one in data_type.Parameters)


def evaluate(expression, variables):
    """A text, and whether it is nvarchar(max)."""
    if isinstance(expression, dom.StringLiteral):
        return expression.Value, units(expression.Value) > SHORT_UNITS_MAX
    if isinstance(expression, dom.VariableReference):
        if expression.Name in variables:
            return variables[expression.Name]
    elif isinstance(expression, dom.BinaryExpression):
        first = evaluate(expression.FirstExpression, variables)
        return add(first, evaluate(expression.SecondExpression, variables))
    elif isinstance(expression, dom.CastCall):
        return evaluate(expression.Parameter, variables)[0], True
    elif isinstance(expression, dom.FunctionCall):
        return call(expression, variables), False
    raise NotUnderstood(type(expression).__name__)


def call(expression, variables):
    arguments = list(expression.Parameters)
    match expression.FunctionName.Value:
        case "NCHAR":
            return chr(int(arguments[0].Value))
        case "REPLACE":
            text, old, new = (evaluate(one, variables)[0] for one in arguments)
            return text.replace(old, new)
        case "QUOTENAME":
            return "[" + evaluate(arguments[0], variables)[0].replace("]", "]]") + "]"
        case "SUSER_SNAME":
            return "sa"
    raise NotUnderstood(expression.FunctionName.Value)


def add(first, second):
    is_max = first[1] or second[1]
    text = first[0] + second[0]
    if not is_max and units(text) > SHORT_UNITS_MAX:
        raise ValueError("SQL Server would cut a text that is put together")
    return joined(text), is_max


def joined(text):
    """Halves of surrogate pairs that were added one by one, as the characters they make."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


for line in sys.stdin:
    print(json.dumps(read(json.loads(line))), flush=True)
