-- Dovecot's password check for tests. It counts failures for each account and locks the account as NHSmail does.
--
-- accounts/<address>  line 1: password; line 2: failures that lock (0: never); line 3: ok, tempfail, disabled, expired
-- attempts/<address>  one line for each check, in order: "ok", "fail", "locked", "disabled" or "expired";
--                     "unlock" is written by the rig
--
-- Counting is part of the check itself, so an attempt counts even when the client goes away before the answer.

local root

function script_init(args)
  root = args["root"]
  return 0
end

local function lines_of(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local lines = {}
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  return lines
end

local function failures_of(user)
  local failures = 0
  for _, line in ipairs(lines_of(root .. "/attempts/" .. user) or {}) do
    if line == "fail" or line == "locked" then failures = failures + 1 end
    if line == "ok" or line == "unlock" then failures = 0 end
  end
  return failures
end

local function record(user, word)
  local file = assert(io.open(root .. "/attempts/" .. user, "a"))
  file:write(word .. "\n")
  file:close()
end

function auth_password_verify(request, password)
  local user = request.user
  if user:find("/", 1, true) then return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN end
  local account = lines_of(root .. "/accounts/" .. user)
  if not account then return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN end
  local mood = account[3]
  if mood == "tempfail" then return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE end

  local limit = tonumber(account[2])
  if limit > 0 and failures_of(user) >= limit then
    record(user, "locked")
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH
  end
  if password ~= account[1] then
    record(user, "fail")
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH
  end
  record(user, mood)
  if mood == "disabled" then return dovecot.auth.PASSDB_RESULT_USER_DISABLED end
  if mood == "expired" then return dovecot.auth.PASSDB_RESULT_PASS_EXPIRED end
  return dovecot.auth.PASSDB_RESULT_OK, {}
end

-- Asked after a token was found valid: is there such an account?
function auth_passdb_lookup(request)
  local account = not request.user:find("/", 1, true) and lines_of(root .. "/accounts/" .. request.user)
  if not account then return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN end
  if account[3] == "disabled" then return dovecot.auth.PASSDB_RESULT_USER_DISABLED end
  return dovecot.auth.PASSDB_RESULT_OK, { nopassword = "y" }
end
